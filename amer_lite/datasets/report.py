"""What an audit or a loader found in a data set: counts, and findings by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Cases = dict[str, list[str]]  # in words, by the name of the finding


@dataclass(frozen=True)
class Finding:
    """What was found, case by case in words."""

    cases: Sequence[str]
    fault: bool = True  # it falsifies an evaluation, and is not only to be reported

    @property
    def count(self) -> int:
        return len(self.cases)

    @property
    def examples(self) -> Sequence[str]:
        """The first few cases."""
        return self.cases[:5]


@dataclass(frozen=True)
class Report:
    """Numbers by split (``""`` for all) and findings; ``print`` it for a table.

    A finding is taken as ``report["shared_golds"]``; `audit.audit` and `cleaning.clean` list them.
    """

    name: str
    counts: Mapping[str, Mapping[str, int]]
    findings: Mapping[str, Finding]

    def __getitem__(self, name: str) -> Finding:
        return self.findings[name]

    @property
    def faults(self) -> list[str]:
        """Names of the findings that falsify an evaluation."""
        return [name for name, found in self.findings.items() if found.fault and found.count]

    @property
    def clean(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        sizes = []
        for what, parts in self.counts.items():
            numbers = ", ".join(f"{split or 'all'} {number:,}" for split, number in parts.items())
            sizes.append(f"{what}: {numbers}")
        lines = [f"{self.name}: {'; '.join(sizes)}"]
        for name, finding in self.findings.items():
            lines.append(f"  {name.replace('_', ' '):<20}{finding.count:>8,}")
            lines += [f"    {case}" for case in finding.examples]
        if any(finding.fault for finding in self.findings.values()):
            lines.append("  clean" if self.clean else f"  not clean: {', '.join(self.faults)}")
        return "\n".join(lines)
