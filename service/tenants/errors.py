"""What can be wrong with a caller or with an administrative request."""

from service.kit.errors import Forbidden, InvalidRequest, NotFound, Unauthorized


class MissingAPIKey(Unauthorized):
    def __init__(self) -> None:
        super().__init__("You didn't provide an API key. You need to provide your API key in an Authorization header"
                         " using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). A key is made with"
                         " `tuneworks keys create`.")


class InvalidAPIKey(Unauthorized):
    code = "invalid_api_key"

    def __init__(self, key: str) -> None:
        shown = key if key.isascii() and key.isprintable() else "?" * len(key)
        hidden = "*" * min(max(len(shown) - 12, 4), 40)
        masked = shown[:8] + hidden + shown[-4:] if len(shown) > 12 else "*" * len(shown)
        super().__init__(f"Incorrect API key provided: {masked}. Ask your platform team for a key, or make one with"
                         " `tuneworks keys create`.")


class NotAProjectKey(Forbidden):
    code = "project_key_required"

    def __init__(self) -> None:
        super().__init__("This is an admin key, which belongs to no project. Use a project key (tw-proj-…) here;"
                         " `admin.organization.projects.service_accounts.create` makes one.")


class NotAnAdminKey(Forbidden):
    code = "admin_key_required"

    def __init__(self) -> None:
        super().__init__("You have insufficient permissions for this operation: it needs an admin key (tw-admin-…).")


class ProjectNotFound(NotFound):
    code = "project_not_found"

    def __init__(self, project_id: str) -> None:
        super().__init__(f"No project found with id '{project_id}'.", param="project_id")


class ProjectArchived(InvalidRequest):
    code = "project_archived"

    def __init__(self, project_id: str) -> None:
        super().__init__(f"Project '{project_id}' is archived; nothing can be made in it any more.",
                         param="project_id")


class ServiceAccountNotFound(NotFound):
    code = "service_account_not_found"

    def __init__(self, account_id: str) -> None:
        super().__init__(f"No service account found with id '{account_id}'.", param="service_account_id")


class KeyNotFound(NotFound):
    code = "api_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"No API key found with id '{key_id}'.", param="api_key_id")


class AdminKeyNotFound(NotFound):
    code = "admin_api_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"No admin API key found with id '{key_id}'.", param="key_id")


class LastAdminKey(InvalidRequest):
    code = "last_admin_api_key"

    def __init__(self) -> None:
        super().__init__("This is the organization's last admin key; without it nobody could administer it. Make"
                         " another one first.", param="key_id")


class AccountWithoutRole(InvalidRequest):
    code = "service_account_without_role"

    def __init__(self, account_id: str) -> None:
        super().__init__(f"Service account '{account_id}' has no role in the project, so it gets no key. Give it"
                         " one first (update it with role 'member').", param="service_account_id")


class KeyForNobody(InvalidRequest):
    def __init__(self) -> None:
        super().__init__("'expires_in_seconds' is the life of the first key, and 'create_service_account_only'"
                         " makes none. Leave one of them out.", param="expires_in_seconds")
