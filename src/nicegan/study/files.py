"""The files of a report: Markdown, HTML, JSON, a table of raw votes and a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from nicegan.errors import StudyError
from nicegan.files import write_atomically
from nicegan.report.html import figure, page, paragraph, section, table
from nicegan.study.definition import read_study
from nicegan.study.document import as_json, markdown, parts_of, votes_csv
from nicegan.study.figure import plot
from nicegan.study.results import Results, compute_results
from nicegan.study.store import VoteStore
from nicegan.study.tally import read_records


class WrittenReport(NamedTuple):
    """A report and where it is."""

    results: Results
    folder: Path
    text: str

    def summary(self) -> str:
        """Return the report for a terminal, and where its files are."""
        return f"{self.text}\nreport: {self.folder / 'report.html'} (.md, .json), votes.csv, figure.png\n"


def study_results(folder: Path) -> Results:
    """Return the results of the study in a folder, which may be served meanwhile.

    Raises:
        StudyError: there is no study, or its database is damaged.
    """
    study = read_study(folder)
    store = VoteStore(study, read_only=True)
    try:
        return compute_results(study, read_records(study, store))
    finally:
        store.close()


def write_report(folder: Path, out: Path) -> WrittenReport:
    """Write report.md, report.html, report.json, votes.csv and figure.png.

    Raises:
        StudyError: as `study_results`, or the report cannot be written to `out`.
    """
    results = study_results(folder)
    title = f"Preference study {folder.resolve().name}"
    parts = parts_of(results)
    text = markdown(title, parts)
    contents = {
        "report.md": text.encode(),
        "report.json": (json.dumps(as_json(results), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
        "votes.csv": votes_csv(results).encode(),
    }
    sections = [
        section(part.title, (table(part.columns, part.rows) if part.rows else "") + "".join(map(paragraph, part.lines)))
        for part in parts
    ]
    if results.counted.rows:
        contents["figure.png"] = plot(results)
        sections.insert(1, section("Figure", figure(contents["figure.png"], "Shares with 95 % intervals")))
    contents["report.html"] = page(title, results.definition.question, sections).encode()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_atomically(out / name, content)
    except OSError as problem:
        raise StudyError(f"{out}: {problem.strerror}; name another folder with --out") from None
    return WrittenReport(results, out, text)
