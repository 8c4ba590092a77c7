"""What the body of a job asks for, with old places and defaults put right; a pre-flight has the same body."""

from sqlalchemy.orm import Session

from service.catalog.methods import Hyperparameters, Method, SupervisedMethod, Tuning
from service.catalog.operations import ResolvedModel
from service.datasets import operations as datasets
from service.datasets.operations import ResolvedFile
from service.files import queries as files
from service.jobs import queries
from service.jobs.errors import ConflictingHyperparameters, TuningDoesNotFit, UnusableFile
from service.jobs.schemas.jobs import JobBody
from service.jobs.tables import Job
from service.kit.schemas import JSONObject


def asked_file(session: Session, param: str, name: str) -> ResolvedFile:
    """The file that a file's id or a version's name stands for; it may still be built. Raises UnusableFile."""
    found = datasets.resolve_file(session, name, param=param)
    if not found.is_building and queries.usable_file(session, found.file_id) is None:
        raise UnusableFile(param, name)
    return found


def asked_files(session: Session, body: JobBody) -> tuple[ResolvedFile, ResolvedFile | None]:
    """What to train on and what to validate with. Raises UnusableFile."""
    datasets.hold(session, [name for name in (body.training_file, body.validation_file) if name is not None])
    training = asked_file(session, "training_file", body.training_file)
    if body.validation_file is None:
        return training, None
    return training, asked_file(session, "validation_file", body.validation_file)


def old_names(session: Session, job: Job) -> JSONObject | None:
    """What a job shows in place of our ids of files that were imported: the names that its caller knows them by."""
    found = {param: files.find(session, name) for param, name in (
        ("training_file", job.training_file), ("validation_file", job.validation_file)) if name is not None}
    return {param: file.alias for param, file in found.items() if file is not None and file.alias is not None} or None


def asked_method(body: JobBody) -> Method:
    """The method that is asked for, with `hyperparameters` in their new place."""
    method = body.method or Method(type="supervised")
    if body.hyperparameters is not None:
        return Method(type=method.type, supervised=_with_old_hyperparameters(method, body.hyperparameters))
    return method


def _with_old_hyperparameters(method: Method, old: Hyperparameters) -> SupervisedMethod:
    if method.type != "supervised":
        raise ConflictingHyperparameters(f"the method is {method.type}")
    new = method.supervised or SupervisedMethod()
    if "hyperparameters" in new.model_fields_set and new.hyperparameters != old:
        raise ConflictingHyperparameters("both are given and differ")
    return SupervisedMethod(hyperparameters=old, tuning=new.tuning)


def asked_tuning(session: Session, model: ResolvedModel, asked_for: SupervisedMethod | None) -> Tuning:
    """What is asked for, or the model's default. Going on from an adapter keeps its shape, and a new adapter on a
    whole tuned model is refused: it would be served over the base. Raises TuningDoesNotFit."""
    asked = asked_for.tuning if asked_for else None
    maker = queries.job(session, model.job_id) if model.job_id else None
    if maker is None:
        return asked or Tuning(type=next(iter(model.base.methods["supervised"]), "lora"))
    made = Tuning.model_validate(maker.method["supervised"]["tuning"])
    if asked is None or asked.type != "lora":
        return asked or made
    if model.kind == "model":
        raise TuningDoesNotFit(model.name, "is a whole model, on which no adapter can be trained: use full or"
                                           " last_layers")
    if asked.rank not in {None, made.rank} or asked.alpha not in {None, made.alpha}:
        raise TuningDoesNotFit(model.name, f"is an adapter of rank {made.rank} and alpha {made.alpha:g}, which it"
                                           " keeps: leave both out")
    return made.model_copy(update={"dropout": asked.dropout})
