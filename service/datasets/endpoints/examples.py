"""Every example of a file in numbers: where it lies, how long it is, what is conspicuous about it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool

from service.datasets.analysis.batches import Flag
from service.datasets.analysis.listing import Order, Wanted
from service.datasets.operations import listing
from service.datasets.schemas import reports as schemas
from service.datasets.schemas.reviews import FlagName
from service.kit.pagination import After, Page
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, in_transaction

router = APIRouter(prefix="/v1/files/{file_id}/validation/examples", tags=["Datasets"])
FileID = Annotated[PlainStr, Path(max_length=256)]
Line = Annotated[int | None, Query(ge=1, le=2**40)]
_MOST = 2**40


def _wanted(flag: Annotated[FlagName | None, Query(description="Only examples with this flag.")] = None,
            min_tokens: Annotated[int, Query(ge=0, le=_MOST, description="Only examples of so many tokens, or more;"
                                                                         " for those that a context cuts off, name"
                                                                         " it plus 1.")] = 0,
            from_line: Line = None, to_line: Line = None,
            order: Annotated[Order, Query(description="In the order of their lines, or the most suspicious or the"
                                                      " longest first.")] = "line") -> Wanted:
    return Wanted(flag=None if flag is None else Flag[flag.upper()], min_tokens=min_tokens, first_line=from_line or 1,
                  last_line=to_line, order=order)


@router.get("", operation_id="listFileValidationExamples", response_model=Page[schemas.Example])
async def list_examples(
        file_id: FileID, caller: CurrentProject, wanted: Annotated[Wanted, Depends(_wanted)],
        context: Annotated[int | None, Query(ge=1, le=_MOST, description="How many tokens a model takes: `over` then"
                                                                         " tells what is beyond it.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: After = None) -> dict[str, Any]:
    """List the examples of a file: the tokens of each, what is conspicuous about it, and where its bytes lie.

    Lines that cannot be trained on are not among them: these have findings. The list is empty until the file is read.
    For one page about a million examples are looked at, at most. A page may therefore hold fewer than `limit`, or
    none, though more follow: as long as `has_more` is true, go on `after` the page's `last_id`. More than a million
    are not sorted: name some with `from_line` and `to_line`.
    """
    asked = await in_transaction(caller, listing.ask, file_id, after=after)
    return await run_in_threadpool(listing.page, asked, wanted, limit=limit, context=context)
