"""Deleting data: refused while jobs used it, unless it is to be erased; and what was made from it in any case."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.datasets import operations as datasets
from service.datasets.errors import VersionInUse
from service.datasets.tables import DatasetVersion
from service.files import operations as files
from service.files.tables import File
from service.jobs import queries
from service.jobs.schemas import erasure as schemas
from service.jobs.tables import Job

_LISTED = 1000
_NAMED = 5


def delete_version(session: Session, dataset_id: str, version: str, *, erase: bool,
                   dry_run: bool) -> schemas.VersionDeletion:
    """Delete a version, or say what that reaches. Raises NoSuchDataset, NoSuchVersion, VersionInUse."""
    found = datasets.find_version(session, dataset_id, version, lock=True)
    used_by = queries.using(session, [found.file_id])
    if used_by and not erase and not dry_run:
        raise VersionInUse(f"Version {found.number} of data set {dataset_id}", _names(used_by), len(used_by),
                           param="version")
    reached = reach(session, [found])
    if not dry_run:
        datasets.delete_version(session, found)
    return schemas.VersionDeletion(id=found.id, deleted=not dry_run, dry_run=dry_run, used_by=len(used_by),
                                   reach=reached)


def delete_dataset(session: Session, dataset_id: str, *, erase: bool, dry_run: bool) -> schemas.DatasetDeletion:
    """Delete a data set with its versions, or say what that reaches. Raises NoSuchDataset, VersionInUse."""
    dataset = datasets.lock_dataset(session, dataset_id)
    versions = datasets.versions_of(session, dataset)
    used_by = queries.using(session, [version.file_id for version in versions])
    if used_by and not erase and not dry_run:
        raise VersionInUse(f"Data set {dataset_id}", _names(used_by), len(used_by), param="dataset_id")
    reached = reach(session, versions)
    if not dry_run:
        for version in versions:
            datasets.delete_version(session, version)
        datasets.delete_dataset(session, dataset)
    return schemas.DatasetDeletion(id=dataset.id, deleted=not dry_run, dry_run=dry_run, used_by=len(used_by),
                                   reach=reached)


def _names(jobs: Sequence[Job]) -> list[str]:
    return [job.id for job in jobs[:_NAMED]]


def reach(session: Session, versions: list[DatasetVersion]) -> schemas.Reach:
    """Everything that was made from these versions, directly and by way of what was made from them."""
    derived = datasets.descendants(session, [version.id for version in versions])
    copies = datasets.copies(session, versions)
    related = [*versions, *derived, *copies]
    sources = _sources(session, [*versions, *copies])
    jobs = _jobs(session, [*(version.file_id for version in related), *(file.id for file in sources)])
    models = queries.made_by(session, list(jobs))
    relations = [*(("itself", each) for each in versions), *(("derived", each) for each in derived),
                 *(("copy", each) for each in copies)]
    return schemas.Reach(
        versions=[schemas.ReachedVersion.model_validate({
            "id": each.id, "dataset_id": each.dataset_id, "number": each.number, "relation": relation,
            "exists": each.deleted_at is None}) for relation, each in relations[:_LISTED]],
        files=[schemas.ReachedFile(id=file.id, filename=file.filename) for file in sources[:_LISTED]],
        jobs=[schemas.ReachedJob(id=job.id, status=job.status, model=job.model)
              for job in list(jobs.values())[:_LISTED]],
        models=[schemas.ReachedModel(name=model.name, job_id=model.job_id, exists=model.deleted_at is None)
                for model in models[:_LISTED]],
        truncated=max(len(relations), len(sources), len(jobs), len(models)) > _LISTED)


def _sources(session: Session, versions: list[DatasetVersion]) -> list[File]:
    """Uploaded files that versions were made from, and that are still there."""
    ids = dict.fromkeys(str(each.source["file_id"]) for each in versions if each.source.get("type") == "file")
    found = (files.find(session, file_id) for file_id in ids)
    return [file for file in found if file is not None]


def _jobs(session: Session, file_ids: list[str]) -> dict[str, Job]:
    """Jobs on these files, those that went on from their models, and so on."""
    jobs: dict[str, Job] = {}
    level = queries.using(session, file_ids)
    while level:
        jobs |= {job.id: job for job in level}
        names = [model.name for model in queries.made_by(session, [job.id for job in level])]
        level = [job for job in queries.going_on_from(session, names) if job.id not in jobs]
    return jobs
