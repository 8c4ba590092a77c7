"""Where a job would be trained: with which credential, and what its provider cannot do."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy.orm import Session

from service.catalog import capabilities
from service.catalog.capabilities import Obstacle, Wish
from service.catalog.methods import Method
from service.catalog.operations import ResolvedModel
from service.credentials import operations as credentials
from service.credentials import queries as credential_queries
from service.jobs.errors import CredentialDoesNotFit, ServerLost
from service.jobs.schemas.jobs import JobBody

LOCAL = "local"


def credential_for(session: Session, model: ResolvedModel, wanted: str | None) -> str | None:
    """Id of the credential that pays for training a model; None where this house trains it.

    Raises ServerLost, CredentialDoesNotFit, UnknownCredential or NoCredential.
    """
    if model.base.provider == LOCAL:
        if wanted is not None:
            raise CredentialDoesNotFit(wanted, f"{model.name} is trained in this house, which asks for none")
        return None
    if model.credential_id is not None and credential_queries.is_deleted(session, model.credential_id):
        raise ServerLost(model.name, model.base.provider)
    chosen = credentials.choose(session, model.base.provider, wanted or model.credential_id)
    if model.credential_id is not None and chosen.id != model.credential_id:
        raise CredentialDoesNotFit(chosen.name, f"{model.name} lies where another credential leads")
    return chosen.id


def obstacles(model: ResolvedModel, body: JobBody, method: Method, sizes: Mapping[str, int], *,
              examples: Mapping[str, int] = MappingProxyType({})) -> tuple[Obstacle, ...]:
    """What the model's provider would refuse of this job. `sizes` are bytes by the parameter that names the file, and
    `examples` their lines, where they are counted."""
    tuning = method.supervised.tuning if method.supervised else None
    return capabilities.of(model.base.provider).obstacles(Wish(
        method=method.type, suffix=body.suffix, seed=body.seed is not None, tuning=tuning.type if tuning else None,
        integrations=len(body.integrations or ()), metadata_pairs=len(body.metadata or ()), sizes=sizes,
        examples=examples, model=model.base.id, hyperparameters=method.shown()[method.type]["hyperparameters"]))
