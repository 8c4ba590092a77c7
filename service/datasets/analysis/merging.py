"""Puts the segments of a file together to the report on all of it, in memory that does not grow with the file."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from service.datasets.analysis import near_duplicates
from service.datasets.analysis.batches import Flag, Summary
from service.datasets.analysis.columns import Columns, Gathering
from service.datasets.analysis.duplicates import Repeats, contradictions, repeats, told
from service.datasets.analysis.measuring import measures
from service.datasets.analysis.options import Options
from service.datasets.analysis.quality import judge
from service.datasets.analysis.reading import count_blanks
from service.datasets.analysis.report import Duplicates, Report
from service.datasets.analysis.segments import Segment
from service.datasets.analysis.tallies import Tally
from service.datasets.analysis.tokens import TokenSums, stats
from service.datasets.analysis.verdicts import judge_size, verdict
from service.datasets.validation.endings import carriage_returns, no_final_newline
from service.datasets.validation.findings import Finding, Severity
from service.datasets.validation.formats import Format


@dataclass(frozen=True, slots=True)
class Merged:
    report: Report
    findings: list[Finding]
    "The first of each kind, in the order of their lines."
    columns: Columns


def merge(segments: Iterable[Segment], *, size: int, options: Options) -> Merged:
    """The report on a file of `size` bytes from its segments in their order, of which only one is held at a time."""
    whole = _Whole(options)
    with whole.gathering:
        for segment in segments:
            whole.add(segment)
            if segment.is_utf16:
                break
        columns = whole.gathering.columns()
        whole.tell_endings()
        duplicates = _compare(columns, whole, options)
    report = whole.report(columns, duplicates, size)
    columns.release()
    findings = sorted(whole.tally.kept, key=lambda finding: finding.line or 0)
    return Merged(report, findings, columns)


class _Whole:
    """What is added up over segments."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.tally = Tally(options.keep)
        self.gathering = Gathering()
        self.format: Format | None = None
        self._sums = TokenSums()
        self._summaries: dict[str, Summary] = {}
        self._bytes = self._lines = self._filled = 0
        self._blanks = range(0)
        self._carriage_return = 0
        self._is_ended = True

    def add(self, segment: Segment) -> None:
        if segment.filled:
            count_blanks(self.tally, self._blanks)
            self._blanks = range(0)
        self.format = self.format or segment.format
        self.tally.include(segment.tally, self._lines)
        self._sums.include(segment.sums)
        self.gathering.add(segment.columns, lines=self._lines, offset=self._bytes)
        if segment.summaries:
            self._include(segment.summaries)
        if segment.carriage_return and not self._carriage_return:
            self._carriage_return = self._lines + segment.carriage_return
        if segment.size:
            self._is_ended = segment.is_ended or segment.is_utf16
        self._lines += segment.lines
        self._filled += segment.filled
        self._bytes += segment.size
        if segment.blanks:
            self._blanks = range(self._blanks.start or self._lines - segment.blanks + 1, self._lines + 1)

    def tell_endings(self) -> None:
        """What is said once for a file about how its lines end."""
        if self._carriage_return:
            self.tally.add([carriage_returns(self._carriage_return)])
        if not self._is_ended and not self._blanks:
            self.tally.add([no_final_newline(self._lines)])

    def report(self, columns: Columns, duplicates: Duplicates, size: int) -> Report:
        examples = len(columns)
        judge_size(self.tally, examples)
        tokens = stats(self._sums, columns.tokens, columns.line, tokenizer=self.options.tokenizer,
                       contexts=self.options.contexts)
        word, reasons = verdict(self.tally, examples=examples, bad_lines=self._filled - examples)
        quality, privacy = judge(
            self._summaries, duplicates=duplicates, examples=examples, format=self.format,
            lines=self._filled) if self.options.full else (None, None)
        return Report(format=self.format, bytes=size, lines=self._lines, examples=examples,
                      errors=self.tally.total("error"), warnings=self.tally.total("warning"),
                      infos=self.tally.total("info"), counts=self.tally.by_kind(), verdict=word, reasons=reasons,
                      tokens=tokens, duplicates=duplicates, quality=quality, privacy=privacy)

    def _include(self, summaries: dict[str, Summary]) -> None:
        for measure in measures():
            before = [self._summaries[measure.name]] if measure.name in self._summaries else []
            self._summaries[measure.name] = measure.merge([*before, summaries[measure.name]])


def _compare(columns: Columns, whole: _Whole, options: Options) -> Duplicates:
    """Compare all examples with each other; what is found is flagged, counted and told."""
    tally, exact = whole.tally, repeats(columns.exact)
    _tell(columns, exact, tally, "warning", Flag.EXACT_DUPLICATE)
    near = _near(columns, whole.gathering) if options.full else Repeats.none()
    _tell(columns, near, tally, "info", Flag.NEAR_DUPLICATE)
    # a prompt with several pairs of answers is what preference data is made of
    against = Repeats.none() if whole.format == "preference" else contradictions(columns.prompt, columns.answer)
    _tell(columns, against, tally, "warning", Flag.CONTRADICTION)
    columns.flags[np.unique(against.firsts)] |= np.uint32(Flag.CONTRADICTION)
    columns.flags[columns.tokens > max(options.contexts)] |= np.uint32(Flag.TOO_LONG)
    return Duplicates(exact=len(exact.rows), near=len(near.rows), contradictions=len(np.unique(against.firsts)),
                      groups=exact.joined(near).groups(columns.line), contradicting=against.groups(columns.line))


def _near(columns: Columns, gathering: Gathering) -> Repeats:
    heads = near_duplicates.heads(columns.bands, release=columns.release, fetch=gathering.bands,
                                  skip=columns.flags & np.uint32(Flag.EXACT_DUPLICATE) != 0)
    columns.release()
    rows = np.flatnonzero(heads != np.arange(len(heads), dtype=np.int32)).astype(np.int32)
    return Repeats(rows, heads[rows])


_KINDS = {Flag.EXACT_DUPLICATE: "exact_duplicate", Flag.NEAR_DUPLICATE: "near_duplicate",
          Flag.CONTRADICTION: "contradiction"}


def _tell(columns: Columns, found: Repeats, tally: Tally, severity: Severity, flag: Flag) -> None:
    kind = _KINDS[flag]
    columns.flags[found.rows] |= np.uint32(flag)
    tally.add(told(found, columns.line, kind, tally.room(severity, kind)))
    if (untold := len(found.rows) - tally.counts.get(severity, {}).get(kind, 0)) > 0:
        tally.count(severity, kind, untold)
    columns.release()
