"""What the simulated server refuses, in the words of recorded answers where such were seen."""

from typing import Any

PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")


class Refusal(Exception):
    """An answer that is an error. `twin` adds the second body that the files routes carry."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None,
                 kind: str = "invalid_request_error", twin: bool = False,
                 headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.kind = status, message, param, code, kind
        self.twin, self.headers = twin, headers or {}

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"error": {"message": self.message, "type": self.kind, "param": self.param,
                                          "code": self.code}}
        if self.twin:
            body["detail"] = {"message": self.message, "code": self.code}
        return body


def wrong_key(key: str) -> Refusal:
    masked = f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}" if len(key) > 12 else key
    return Refusal(401, f"Incorrect API key provided: {masked}. You can find your API key at "
                        "https://platform.openai.com/account/api-keys.", code="invalid_api_key")


def no_key() -> Refusal:
    return Refusal(401, "You didn't provide an API key. You need to provide your API key in an Authorization header "
                        "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).")


def forbidden() -> Refusal:
    return Refusal(403, "You have insufficient permissions for this operation. Missing scopes: api.fine_tuning.jobs.",
                   code="missing_scope")


def training_closed() -> Refusal:
    return Refusal(403, "Your organization can no longer create fine-tuning jobs.", code="fine_tuning_unavailable")


def quota_spent() -> Refusal:
    return Refusal(429, "You exceeded your current quota, please check your plan and billing details.",
                   code="insufficient_quota", kind="insufficient_quota")


def too_many_requests(retry_after: float) -> Refusal:
    return Refusal(429, "Rate limit reached for requests.", code="rate_limit_exceeded", kind="requests",
                   headers={"Retry-After": str(max(1, round(retry_after)))})


def unknown_job(job_id: str) -> Refusal:
    return Refusal(404, f"Could not find fine tune: {job_id}", param="fine_tune_id", code="fine_tune_not_found")


def unknown_model(name: str) -> Refusal:
    return Refusal(404, f"The model '{name}' does not exist", param="model", code="model_not_found")


def unknown_chat_model(name: str) -> Refusal:
    return Refusal(404, f"The model `{name}` does not exist or you do not have access to it.", code="model_not_found")


def unknown_file(file_id: str) -> Refusal:
    return Refusal(404, f"No such File object: {file_id}", param="id", twin=True)


def bad_purpose(purpose: str) -> Refusal:
    return Refusal(400, f"'{purpose}' is not one of {list(PURPOSES)} - 'purpose'", param="purpose", twin=True)


def missing_property(name: str) -> Refusal:
    return Refusal(400, f"'{name}' is a required property", param=name, twin=True)


def not_jsonl(number: int, line: str) -> Refusal:
    return Refusal(400, "Expected file to have JSONL format, where every line is a JSON dictionary. Line "
                        f'{number} is not a dictionary (HINT: line starts with: "{line[:6]}...").', twin=True)


def too_large(limit: int) -> Refusal:
    return Refusal(413, f"Maximum content size limit ({limit}) exceeded.", twin=True)


def not_tunable(model: str) -> Refusal:
    return Refusal(400, f"Model {model} is not available for fine-tuning or does not exist.",
                   code="model_not_available")


def bad_file(field: str, file_id: str) -> Refusal:
    return Refusal(400, f"invalid {field}: {file_id}", param=field)


def missing_parameter(name: str) -> Refusal:
    return Refusal(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def unknown_parameter(name: str) -> Refusal:
    return Refusal(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def wrong_type(name: str, expected: str, got: Any) -> Refusal:
    return Refusal(400, f"Invalid type for '{name}': expected {_article(expected)}, but got "
                        f"{_article(type_name(got))} instead.", param=name, code="invalid_type")


def wrong_value(name: str, why: str, code: str = "invalid_value") -> Refusal:
    return Refusal(400, f"Invalid '{name}': {why}", param=name, code=code)


def not_json() -> Refusal:
    return Refusal(400, "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
                        "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
                        "valid JSON.)")


def wrong_state(job_id: str, status: str, verb: str) -> Refusal:
    return Refusal(400, f"Job {job_id} is {status} and cannot be {verb}.", param="fine_tune_id")


def no_route(method: str, path: str) -> Refusal:
    return Refusal(404, f"Invalid URL ({method} {path})")


def internal() -> Refusal:
    return Refusal(500, "The server had an error while processing your request. Sorry about that!",
                   kind="server_error")


def type_name(value: Any) -> str:
    if value is None:
        return "null"
    names: list[tuple[type, str]] = [(bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"),
                                     (list, "array"), (dict, "object")]
    return next(name for kind, name in names if isinstance(value, kind))


def _article(name: str) -> str:
    if name == "null":
        return "null"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def no_deployment() -> Refusal:
    return Refusal(404, "The API deployment for this resource does not exist. If you created the deployment within the "
                        "last 5 minutes, please wait a moment and try again.", code="DeploymentNotFound")
