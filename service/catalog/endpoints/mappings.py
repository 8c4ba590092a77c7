"""HTTP face of model mappings: create, list, retrieve, update, delete. Not in OpenAI's API."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.catalog import mappings, schemas
from service.catalog.tables import ModelMapping
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/model_mappings")
MappingId = Annotated[PlainStr, Path(max_length=256, description="Id of the mapping: mmap_…")]
Limit = Annotated[int, Query(ge=1, le=100)]
Model = Annotated[PlainStr | None, Query(max_length=256, description="Only the mapping of exactly this name.")]


@router.post("", operation_id="createModelMapping", response_model=schemas.ModelMapping)
def create(body: schemas.ModelMappingCreate, caller: CurrentProject, session: ProjectSession) -> ModelMapping:
    """Have a successor answer chats, and be trained, where a model is named that is dead.

    Such answers carry the header x-tuneworks-answered-by with the name of the model that gave them.
    """
    return mappings.create(session, caller, model=body.model, successor=body.successor, always=body.always)


@router.get("", operation_id="listModelMappings", response_model=Page[schemas.ModelMapping])
def list_mappings(session: ProjectSession, after: After = None, limit: Limit = 20,
                  model: Model = None) -> dict[str, Any]:
    """List the project's mappings, newest first."""
    rows, more = mappings.page(session, model=model, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{model_mapping_id}", operation_id="retrieveModelMapping", response_model=schemas.ModelMapping)
def retrieve(model_mapping_id: MappingId, session: ProjectSession) -> ModelMapping:
    """Retrieve one mapping."""
    return mappings.retrieve(session, model_mapping_id)


@router.post("/{model_mapping_id}", operation_id="updateModelMapping", response_model=schemas.ModelMapping)
def update(model_mapping_id: MappingId, body: schemas.ModelMappingUpdate, caller: CurrentProject,
           session: ProjectSession) -> ModelMapping:
    """Change who answers, or whether it does even while the original lives."""
    return mappings.update(session, caller, model_mapping_id, successor=body.successor, always=body.always)


@router.delete("/{model_mapping_id}", operation_id="deleteModelMapping", response_model=schemas.ModelMappingDeleted)
def delete(model_mapping_id: MappingId, caller: CurrentProject, session: ProjectSession) -> ModelMapping:
    """Delete a mapping: the name stands for itself again."""
    return mappings.delete(session, caller, model_mapping_id)
