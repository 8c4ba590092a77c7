"""What can be wrong with a credential or with the request about it."""

from service.kit.errors import Conflict, Forbidden, InvalidRequest, NotFound

_HOW = 'Store one with POST /v1/credentials {"provider": "%s", "name": …, "secret": …}'


class CredentialNotFound(NotFound):
    code = "credential_not_found"

    def __init__(self, credential_id: str) -> None:
        super().__init__(f"No credential found with id '{credential_id}'.", param="credential_id")


class UnknownCredential(InvalidRequest):
    """A body names a credential that there is not, or that is for another provider."""

    code = "credential_not_found"

    def __init__(self, wanted: str, provider: str) -> None:
        super().__init__(f"This project has no credential '{wanted}' for provider '{provider}', and its organization"
                         " shares none. GET /v1/credentials lists them all.", param="credential")


class NoCredential(InvalidRequest):
    """`failing` names one that there would be, if its server took it."""

    code = "no_credential"

    def __init__(self, provider: str, *, failing: str | None = None) -> None:
        there = (f"The only credentials for provider '{provider}' do not work now, such as '{failing}': look at its"
                 " status_details, then update it or check it again." if failing else
                 f"There is no credential for provider '{provider}'.")
        super().__init__(f"{there} {_HOW % provider}, or ask your platform team for one of the organization.",
                         param="credential")


class SharedCredential(Forbidden):
    code = "organization_credential"

    def __init__(self, credential_id: str) -> None:
        super().__init__(f"Credential '{credential_id}' belongs to the organization: a project may use it, but only an"
                         " admin key may change it, under /v1/organization/credentials.", param="credential_id")


class CredentialInUse(Conflict):
    """`which` tells of some of the jobs; without the credential nobody here could end what its server trains."""

    code = "credential_in_use"

    def __init__(self, name: str, jobs: int, which: str) -> None:
        super().__init__(f"Credential '{name}' cannot be deleted: {jobs} {'job is' if jobs == 1 else 'jobs are'} at its"
                         f" server, or may be ({which}), and only with it can they be followed and ended. Cancel them"
                         " (POST /v1/fine_tuning/jobs/{fine_tuning_job_id}/cancel) and delete it once they have ended,"
                         " or, if the key does not work any more, ask with ?force=true: they then fail here, while the"
                         " server may go on training them and charging for them.", param="credential_id")


class NameTaken(Conflict):
    code = "credential_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a credential named '{name}' already. Choose another name, or update that one.",
                         param="name")


class UnusableBaseURL(InvalidRequest):
    """`why` completes the sentence "The URL …"."""

    code = "invalid_base_url"

    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid 'base_url': the URL {why}. A server is called at a public https:// address, unless"
                         " the house sets TUNEWORKS_REMOTE_ALLOW_PRIVATE.", param="base_url")


class MissingBaseURL(InvalidRequest):
    code = "missing_base_url"

    def __init__(self, provider: str) -> None:
        super().__init__(f"Provider '{provider}' needs a 'base_url': where its server answers.", param="base_url")


class SecretNeeded(InvalidRequest):
    """Whoever may change where a secret is sent could otherwise read it there."""

    code = "secret_required"

    def __init__(self) -> None:
        super().__init__("A new 'base_url' or 'session_token' needs the 'secret' anew: a stored secret is sent only to"
                         " where it was stored for.", param="secret")


class UnfitField(InvalidRequest):
    def __init__(self, field: str, provider: str) -> None:
        super().__init__(f"Provider '{provider}' takes no '{field}'. Leave it out.", param=field,
                         code="unsupported_parameter")


class ReservedName(InvalidRequest):
    code = "reserved_name"

    def __init__(self, name: str) -> None:
        super().__init__(f"A credential for a compatible server cannot be named '{name}': its models are called"
                         " <name>/<model>, and that name is taken. Choose another.", param="name")
