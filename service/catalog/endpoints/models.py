"""HTTP face of models: list, retrieve, delete."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from service.catalog import operations, retirement, schemas
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/models")
# Names of tuned models hold colons, and those of other houses may hold slashes.
Name = Annotated[PlainStr, Path(max_length=256, description="Name of a base model, an alias, or a tuned model.")]


@router.get("", operation_id="listModels", response_model=schemas.ModelList)
def list_models(caller: CurrentProject, session: ProjectSession) -> dict[str, list[schemas.Model]]:
    """List the base models of the house and the tuned models of the project."""
    return {"data": operations.list_models(session, caller.project_slug)}


@router.get("/{model:path}", operation_id="retrieveModel")
def retrieve_model(model: Name, caller: CurrentProject, session: ProjectSession, response: Response) -> schemas.Model:
    """Retrieve one model, with the day it shuts down if that is known, which the headers tell too."""
    base = operations.base_of(session, model)
    if base is not None:
        response.headers.update(retirement.headers(base))
    return operations.retrieve(session, model, caller.project_slug)


@router.delete("/{model:path}", operation_id="deleteModel")
def delete_model(model: Name, session: ProjectSession) -> schemas.ModelDeleted:
    """Delete a tuned model of the project; its files are erased soon after."""
    return schemas.ModelDeleted(id=operations.delete(session, model).name)
