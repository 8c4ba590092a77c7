"""What things are called at AWS: jobs and models by our key, tags, and places in the bucket; both ways."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.jobs.plans import RemoteOrder
from worker.providers.remote import Refused

KEY_TAG, HOUSE_TAG, JOB_TAG, METADATA_TAG = "tuneworks:key", "tuneworks:house", "tuneworks:job", "tuneworks:metadata/"
_KEY = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,62}")
_OURS = re.compile(r"[A-Za-z0-9-]{1,30}-[0-9a-f]{32}")
_TAG_KEY, _TAG_VALUE = re.compile(r"[a-zA-Z0-9\s._:/=+@-]{1,128}"), re.compile(r"[a-zA-Z0-9\s._:/=+@-]{0,256}")
_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][-.a-z0-9]{1,61}[a-z0-9])/(?P<key>[^\x00-\x1f]{1,1000})")
_LONGEST_NAME = 63


def job_name(key: str) -> str:
    """The key itself, which is the request's token too.

    Names are unique in an account and a region, for ever: a second job for the same key is refused by two rules.
    """
    if len(key) > _LONGEST_NAME or not _KEY.fullmatch(key):
        raise Refused("invalid_key", f"'{key[:80]}' cannot name a job at Bedrock.")
    return key


def key_of(name: object) -> str | None:
    """The key that a job's name tells; None for a job that is not ours."""
    return name if isinstance(name, str) and _OURS.fullmatch(name) else None


def model_name(key: str, suffix: str | None) -> str:
    """The custom model's name: the suffix as far as it may stand there, and the end of the key, which makes it one."""
    ending = re.sub(r"[^A-Za-z0-9]+", "", key)[-20:]
    told = re.sub(r"[^A-Za-z0-9]+", "-", suffix or "").strip("-")[:_LONGEST_NAME - len(ending) - 1].strip("-")
    return f"{told or 'tuneworks'}-{ending}"


def tags(order: RemoteOrder) -> list[dict[str, str]]:
    """Ours, and the caller's pairs under a prefix: tags may open doors in AWS, so callers cannot name them freely."""
    pairs = {KEY_TAG: order.key, HOUSE_TAG: order.house, JOB_TAG: order.job_id}
    pairs |= {METADATA_TAG + name: value for name, value in order.metadata.items()}
    return [{"key": name, "value": value} for name, value in pairs.items()
            if _TAG_KEY.fullmatch(name) and _TAG_VALUE.fullmatch(value)]


@dataclass(frozen=True, slots=True)
class Place:
    """An object in a bucket."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def named(self) -> Mapping[str, str]:
        """As S3's calls want it."""
        return {"Bucket": self.bucket, "Key": self.key}


def place(uri: object) -> Place | None:
    """Where an s3:// address points; None for anything else."""
    found = _URI.fullmatch(uri) if isinstance(uri, str) else None
    return Place(found["bucket"], found["key"]) if found else None


def safe_filename(name: str) -> str:
    """Ours as Bedrock takes it: letters, digits, dots, hyphens and underscores, with .jsonl behind it."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name.removesuffix(".jsonl")).strip("-.")[:100]
    return f"{stem or 'file'}.jsonl"
