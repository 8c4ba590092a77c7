"""API keys, passwords and private keys, as the services that issue them write them."""

import re

from service.datasets.analysis.privacy.detectors import Detector, always, is_placeholder, looks_random

_TOKEN = rb"[A-Za-z0-9_-]"
_PREFIXED: tuple[tuple[str, str, bytes, bytes], ...] = (
    ("anthropic_key", "an Anthropic API key", rb"sk-ant-", _TOKEN + rb"{20,}"),
    ("openai_key", "an OpenAI API key", rb"sk-(?!ant-)(?:proj-|svcacct-|admin-|or-v1-)?", _TOKEN + rb"{20,}"),
    ("tuneworks_key", "a Tuneworks API key", rb"tw-(?:proj|admin)-", rb"[A-Za-z0-9]{30,}"),
    ("aws_key", "an AWS access key id", rb"(?:AKIA|ASIA)", rb"[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("github_token", "a GitHub token", rb"gh[pousr]_", rb"[A-Za-z0-9]{30,}"),
    ("github_token", "a GitHub token", rb"github_pat_", rb"[A-Za-z0-9_]{30,}"),
    ("gitlab_token", "a GitLab token", rb"gl(?:pat|dt|rt|cbt|ptt)-", _TOKEN + rb"{20,}"),
    ("slack_token", "a Slack token", rb"xox[abeoprs]-", rb"[A-Za-z0-9-]{10,}"),
    ("slack_token", "a Slack token", rb"xapp-", rb"[A-Za-z0-9-]{20,}"),
    ("stripe_key", "a Stripe key", rb"(?:sk|rk)_(?:live|test)_", rb"[A-Za-z0-9]{16,}"),
    ("stripe_key", "a Stripe webhook secret", rb"whsec_", rb"[A-Za-z0-9+/=]{24,}"),
    ("google_key", "a Google API key", rb"AIza", _TOKEN + rb"{35}"),
    ("google_key", "a Google OAuth token", rb"(?:GOCSPX-|ya29\.)", rb"[A-Za-z0-9_.-]{24,}"),
    ("hugging_face_token", "a Hugging Face token", rb"hf_", rb"[A-Za-z0-9]{30,}"),
    ("npm_token", "an npm token", rb"npm_", rb"[A-Za-z0-9]{36}"),
    ("pypi_token", "a PyPI token", rb"pypi-", _TOKEN + rb"{50,}"),
    ("sendgrid_key", "a SendGrid key", rb"SG\.", _TOKEN + rb"{16,}\.[A-Za-z0-9_-]{16,}"),
    ("twilio_key", "a Twilio key", rb"SK(?=[0-9a-f]{32}\b)", rb"[0-9a-f]{32}"),
    ("groq_key", "a Groq key", rb"gsk_", rb"[A-Za-z0-9]{40,}"),
    ("xai_key", "an xAI key", rb"xai-", rb"[A-Za-z0-9]{40,}"),
    ("replicate_token", "a Replicate token", rb"r8_", rb"[A-Za-z0-9]{30,}"),
    ("perplexity_key", "a Perplexity key", rb"pplx-", rb"[A-Za-z0-9]{40,}"),
    ("digitalocean_token", "a DigitalOcean token", rb"do[opr]_v1_", rb"[0-9a-f]{60,}"),
    ("databricks_token", "a Databricks token", rb"dapi(?=[0-9a-f]{32}\b)", rb"[0-9a-f]{32}"),
    ("shopify_token", "a Shopify token", rb"shp(?:at|ca|pa|ss)_", rb"[0-9a-fA-F]{32}"),
    ("notion_token", "a Notion token", rb"ntn_", rb"[A-Za-z0-9]{40,}"),
    ("linear_key", "a Linear key", rb"lin_api_", rb"[A-Za-z0-9]{32,}"),
    ("grafana_token", "a Grafana token", rb"gl(?:sa|c)_", rb"[A-Za-z0-9_+/=]{30,}"),
)


def _issued(_value: bytes, match: re.Match[bytes]) -> bool:
    return looks_random(match["body"], bits=2.5)


def _prefixed(kind: str, name: str, prefix: bytes, body: bytes) -> Detector:
    trigger = re.sub(rb"\(\?[!=][^()]*\)", b"", prefix)  # look-around is left to the exact pattern
    return Detector(
        kind, name, "secret", "[API_KEY]", (rb"\b" + trigger + rb"[A-Za-z0-9_-]{10}",),
        re.compile(rb"(?<![A-Za-z0-9_])(?P<prefix>" + prefix + rb")(?P<body>" + body + rb")"), _issued, reach=64)


_ASSIGNED = (
    rb"(?:password|passwd|passphrase|pwd|(?:client|app|auth|aws|api|access|private|shared)[_-]?(?:secret|key|token)"
    rb"|secret[_-]?(?:access[_-]?)?(?:key|token)|secret|AccountKey|SharedAccessKey|pass)")
_ASSIGNING = rb"[\"'`]?\s{0,3}(?:=>|:=|:|=)\s{0,3}"
_KNOWN_PASSWORDS = frozenset((
    b"admin", b"guest", b"pass", b"postgres", b"pwd", b"root", b"secret", b"test", b"toor", b"user",
    b"mysql", b"redis"))


def _assigned(value: bytes, match: re.Match[bytes]) -> bool:
    """Whether what is assigned to a `password` or an `api_key` is one, not a variable, a call or a placeholder."""
    if is_placeholder(value) or re.fullmatch(rb"[A-Za-z_]+(?:[._-][A-Za-z0-9_]+)*", value):
        return looks_random(value, bits=3.5) and re.search(rb"\d", value) is not None and b"." not in value and len(
            value) >= 16
    if re.match(rb"(?i)p", match["keyword"]):
        classes = sum(re.search(of, value) is not None for of in (rb"[a-z]", rb"[A-Z]", rb"\d", rb"[^A-Za-z0-9]"))
        return classes >= 2 and re.search(rb"\d|[^\w.-]", value) is not None and not _is_path_or_number(value)
    return len(value) >= 16 and looks_random(value)


def _is_path_or_number(value: bytes) -> bool:
    return re.match(rb"[/~]|\w+://|[\d.,:-]+$|[A-Za-z]+[.:!?]?$|.*==", value) is not None


def _in_url(value: bytes, _match: re.Match[bytes]) -> bool:
    return not is_placeholder(value) and value.lower() not in _KNOWN_PASSWORDS and not value.isdigit()


_BEGIN = rb"-----BEGIN [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
_BREAK = rb"(?:\s|\\[nr])*"

CREDENTIALS: tuple[Detector, ...] = (
    *(_prefixed(*row) for row in _PREFIXED),
    Detector(
        "private_key", "a private key", "secret", "[PRIVATE_KEY]", (rb"-----BEGIN [A-Z ]{0,24}PRIVATE KEY",),
        re.compile(_BEGIN + rb"(?:[A-Za-z0-9+/=:,\s.()\\-]*?-----END [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
                   rb"|(?:" + _BREAK + rb"[A-Za-z0-9+/=]{16,})*(?:" + _BREAK + rb"[A-Za-z0-9+/=]+\s*\Z)?)"),
        lambda value, _: len(value) > 120, reach=64, ahead=8192, shown=0),
    Detector(
        "jwt", "a JSON web token", "secret", "[TOKEN]", (rb"\beyJ[A-Za-z0-9_-]{10}",),
        re.compile(rb"(?<![A-Za-z0-9_])(?P<prefix>eyJ)[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        always, reach=16, ahead=2048),
    Detector(
        "bearer_token", "a bearer token", "secret", "[TOKEN]", (rb"(?i:\bbearer) [A-Za-z0-9._~+/-]{20}",),
        re.compile(rb"(?i:\bbearer) (?P<value>[A-Za-z0-9._~+/-]{20,}=*)"),
        lambda value, _: looks_random(value, bits=3.5) and re.search(rb"\d", value) is not None, reach=32),
    Detector(
        "slack_token", "a Slack webhook address", "secret", "[API_KEY]", (rb"hooks\.slack\.com/services/T",),
        re.compile(rb"hooks\.slack\.com/services/(?P<value>T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,})"),
        _in_url, reach=32),
    Detector(
        "telegram_token", "a Telegram bot token", "secret", "[API_KEY]", (rb"\b\d{8,10}:AA[A-Za-z0-9_-]{33}",),
        re.compile(rb"(?<![\w])\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"), reach=64),
    Detector(
        "url_password", "a password in an address", "secret", "[PASSWORD]",
        (rb"://[^\s:/@\x00]{0,64}:[^\s/@\x00]{3,128}@[A-Za-z0-9]",),
        re.compile(rb"://[^\s:/@\x00]{0,64}:(?P<value>[^\s/@\x00]{3,128})@[A-Za-z0-9]"), _in_url, shown=0),
    Detector(
        "password", "a password or key", "secret", "[PASSWORD]",
        (rb"(?i:" + _ASSIGNED + rb")" + _ASSIGNING + rb"[\"'`]?[^\s\"'`,;<>(){}\[\]$\x00]{6}",),
        re.compile(rb"(?i:(?<![A-Za-z])(?<!::)(?P<keyword>" + _ASSIGNED + rb"))" + _ASSIGNING
                   + rb"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`,;<>(){}\[\]$\x00]{8,})"),
        _assigned, reach=64, ahead=16, shown=0),
)
