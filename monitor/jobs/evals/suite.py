"""Settings of a suite: cases, expectations and comparisons."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from detectors import SIGNALS
from monitor.config.load import describe_problem
from monitor.config.sections import Duration, Section
from monitor.core.yamlfile import ConfigError, Document, Problem, read
from monitor.jobs.evals.expectation import FROM_EXPECTED, Expectation
from monitor.jobs.evals.expectation import read as read_expectation

MOST_CASES = 20_000
LARGEST_FILE = 256 * 1024 * 1024

Expect = Annotated[Expectation, BeforeValidator(read_expectation)]


class Budget(Section):
    """Limits of a run; requests beyond them are not sent, and the run is inconclusive."""

    requests: int | None = Field(None, ge=1)
    """Maximum number of requests, including repetitions and retries."""
    tokens: int | None = Field(None, ge=1)
    """Number of tokens, as counted by the endpoint, after which no request is sent."""


class Endpoint(Section):
    """An OpenAI-compatible chat-completions endpoint."""

    url: SecretStr
    """Base URL including `/v1`; `url_file` reads it from a file."""
    model: str
    """Name of the model."""
    api_key: SecretStr | None = None
    """API key, such as `${LLM_API_KEY}`; `api_key_file` reads it from a file."""
    proxy: SecretStr | None = None
    """URL of a proxy; proxy variables of the environment are ignored."""
    timeout: Duration = Field(timedelta(seconds=60), gt=timedelta(0))
    """Timeout of one request in total."""
    retries: int = Field(4, ge=0, le=20)
    """Maximum number of retries after a timeout, a 429 or a 5xx."""
    backoff: Duration = timedelta(seconds=1)
    """Delay before the first retry; doubled for each further one. `Retry-After` takes precedence."""
    concurrency: int = Field(4, ge=1, le=256)
    """Maximum number of concurrent requests."""
    budget: Budget = Budget()
    """Limits of a run."""
    user: str | None = Field(None, min_length=1, max_length=64)
    """Value of the field `user` of requests, to recognise evaluations in the endpoint's log; default: not sent."""


class Parameters(Section):
    """Sampling parameters of requests; those that are not set are not sent."""

    temperature: float | None = Field(None, ge=0, le=10)
    """Sampling temperature."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling: probability mass of the tokens to sample from."""
    max_tokens: int | None = Field(None, ge=1)
    """Maximum number of tokens of an answer."""
    seed: int | None = None
    """Seed of the first sample of a case; increased by one for each further sample."""


class Turn(Section):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    """Role of the author."""
    content: str
    """Text of the message."""


def _parse_expected(value: object) -> object:
    texts = isinstance(value, list) and value and all(isinstance(text, str) for text in value)
    if texts or value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    raise PydanticCustomError("expected", "give a text, a number, or a list of texts; quote a number that is a text")


class Case(Section):
    """A case: a prompt or a conversation, and the expected answer."""

    id: str = Field(min_length=1, max_length=128)
    """Name, unique in the suite; identifies the case in comparisons of runs."""
    prompt: str | None = None
    """The prompt; `{context}` in it is replaced by the context."""
    messages: list[Turn] | None = None
    """Messages of a conversation, instead of a prompt."""
    context: str | None = None
    """Text that the answer should be based on."""
    expected: Annotated[str | int | float | list[str] | None, BeforeValidator(_parse_expected)] = None
    """Correct answer, for `exact`, `contains`, `numeric` and the judge."""
    tags: list[str] = []
    """Groups of cases that are also compared separately."""
    expect: list[Expect] = []
    """Expectations of this case, in addition to the suite's."""

    @model_validator(mode="after")
    def _one_question(self) -> Case:
        if (self.prompt is None) == (not self.messages):
            raise PydanticCustomError("question", "give exactly one of `prompt:` and `messages:`")
        return self

    @property
    def question(self) -> str:
        """Return the last message of the user, for signals and the judge."""
        if self.prompt is not None:
            return self.prompt
        return next((turn.content for turn in reversed(self.messages or []) if turn.role == "user"), "")

    def sent(self, system: str | None) -> list[dict[str, str]]:
        """Return the messages of the request."""
        first = [{"role": "system", "content": system}] if system is not None else []
        if self.prompt is None:
            return first + [turn.model_dump() for turn in self.messages or []]
        return [*first, {"role": "user", "content": self.prompt.replace("{context}", self.context or "")}]


class Daily(Section):
    """Limits of the judge of sampled traffic per day (UTC), over all runs."""

    requests: int | None = Field(None, ge=0)
    """Maximum number of requests, including repetitions and retries."""
    tokens: int | None = Field(None, ge=0)
    """Maximum number of tokens, as counted by the endpoint."""
    cost: float | None = Field(None, ge=0)
    """Maximum cost, in the currency of the prices."""
    input_price: float = Field(0.0, ge=0)
    """Price of a million input tokens."""
    output_price: float = Field(0.0, ge=0)
    """Price of a million output tokens."""

    @model_validator(mode="after")
    def _priced(self) -> Daily:
        if self.cost is not None and not self.input_price and not self.output_price:
            raise PydanticCustomError("price", "a limit of `cost:` needs `input_price:` and `output_price:`")
        return self


class TrafficSample(Section):
    """A sample of the application's answers since the last run, instead of cases."""

    share: float = Field(gt=0, le=1)
    """Share of the records, selected by a hash of their id, so that the selection is reproducible."""
    most: int = Field(200, ge=1, le=5000)
    """Maximum number of records of a run; of more, those with the smallest hash are used."""
    fewest: int = Field(30, ge=5)
    """Minimum number of scored records; with fewer the run is inconclusive."""
    daily: Daily | None = None
    """Daily limits of the judge; required with a judge."""


class Judge(Section):
    """An LLM judge: a model that scores answers. Optional; it has its own cost and errors."""

    endpoint: Endpoint
    """Endpoint of the judge."""
    rubric: str = Field(min_length=1)
    """Instructions for scoring an answer from 0 (worst) to 1 (best)."""
    sample: float = Field(1.0, gt=0, le=1)
    """Share of the cases that are judged, the same in every run."""
    parameters: Parameters = Parameters(temperature=0)
    """Sampling parameters of the judge."""
    redact: bool = True
    """Whether personal data and secrets in questions, contexts and answers are replaced by their types, such as
    `[EMAIL_ADDRESS]`, before they are sent."""
    reason: str | None = Field(None, min_length=10)
    """For `redact: false`, which needs it: why the judge may read the original texts."""

    @model_validator(mode="after")
    def _raw_for_a_reason(self) -> Judge:
        if not self.redact and self.reason is None:
            text = "`redact: false` sends personal data to the judge; state under `reason:` why it may read it"
            raise PydanticCustomError("redact", text)
        return self


class Suite(Section):
    """Top-level keys."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,115}$")
    """Name by which runs are stored and compared."""
    endpoint: Endpoint | None = None
    """Endpoint that answers; not needed with `answers:`."""
    answers: Path | None = None
    """JSONL file with existing answers, one `{"id": …, "response": …}` per line, instead of an endpoint."""
    traffic: TrafficSample | None = None
    """Score a sample of a monitor's records instead of calling an endpoint; only in `evaluations:` of driftd.yaml."""
    system: str | None = None
    """System message of every case."""
    parameters: Parameters = Parameters()
    """Sampling parameters."""
    cases: list[Case] = []
    """The cases, or the name of a JSONL file with one per line; none with `traffic:`."""
    repeat: int = Field(1, ge=1, le=100)
    """Number of samples of each case; at least 3 if answers vary."""
    expect: list[Expect] = []
    """Expectations of every case."""
    judge: Judge | None = None
    """Optional LLM judge, for expectations of kind `judge`."""
    alpha: float = Field(0.01, gt=0, lt=0.5)
    """Probability that an unchanged model is reported as worse, over all comparisons of a run."""
    max_drop: float = Field(0.0, ge=0, lt=1)
    """Accepted decrease of the score; with 0 every significant decrease is a regression."""
    compare_with: int = Field(3, ge=1, le=20)
    """Number of last good runs to compare with, together, back to the last change; always 1 for `traffic:`."""
    min_score: float | None = Field(None, ge=0, le=1)
    """Minimum mean score of a run, independent of earlier runs."""
    max_failed: float = Field(0.02, ge=0, le=1)
    """Maximum share of requests without an answer; above it a run is inconclusive."""

    @model_validator(mode="after")
    def _someone_answers(self) -> Suite:
        if sum(one is not None for one in (self.endpoint, self.answers, self.traffic)) != 1:
            raise PydanticCustomError("endpoint", "give exactly one of `endpoint:`, `answers:` and `traffic:`")
        if self.traffic is not None and self.judge is not None and self.traffic.daily is None:
            raise PydanticCustomError("daily", "a judge of traffic needs `traffic: {daily: …}`, its daily limits")
        return self

    def expectations(self, case: Case) -> list[Expectation]:
        """Return all expectations of a case."""
        return [*self.expect, *case.expect]

    def definition(self, case: Case) -> str:
        """Return a fingerprint of the request and the expectations; only cases with equal fingerprints are compared."""
        judge = [self.judge.rubric, self.judge.endpoint.model] if self.judge else []
        expected = [one.model_dump(mode="json") for one in self.expectations(case)]
        request = case.model_dump(mode="json", include={"prompt", "messages", "context", "expected"})
        text = json.dumps([self.system, request, expected, judge], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(path: Path, answers: Path | None = None, environment: dict[str, str] | None = None) -> Suite:
    """Read and validate a suite with its cases; ``answers`` takes precedence over its endpoint.

    Raises
    ------
    ConfigError
        With every problem, each with file, line, key and sentence.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file. Name the YAML file of a suite.")
    document = read(path, environment)
    data, folder = document.data, path.parent
    if isinstance(data, dict) and answers is not None:
        data = {key: value for key, value in data.items() if key != "endpoint"} | {"answers": answers.absolute()}
    if isinstance(data, dict) and isinstance(data.get("cases"), str):
        data = data | {"cases": list(_cases(folder / data["cases"]))}
    suite: Suite = _validate(Suite, document, data)
    if suite.answers is not None:
        suite = suite.model_copy(update={"answers": folder / suite.answers})
    suite = _with_schemas(suite, folder, document)
    problems = _cross_check(suite)
    if problems:
        raise document.explain(problems)
    return suite


def _validate(kind: Any, document: Document, data: object) -> Any:  # noqa: ANN401
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise document.explain([describe_problem(detail) for detail in error.errors()]) from None


def lines(path: Path) -> Iterator[tuple[Document, Any]]:
    """Yield the objects of a JSONL file, each with the document that locates its errors."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{path}: the file is larger than {LARGEST_FILE >> 20} MiB; split it.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}.") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        document = Document(str(path), None, {(): number})
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise document.explain([Problem((), f"this line is not JSON: {error}.")]) from None
        if not isinstance(data, dict):
            raise document.explain([Problem((), 'a line must be one object, such as {"id": "a", …}.')])
        yield document, data


def _cases(path: Path) -> Iterator[Case]:
    for count, (document, data) in enumerate(lines(path), start=1):
        if count > MOST_CASES:
            raise ConfigError(f"{path}: there are more than {MOST_CASES} cases; split the suite.")
        yield _validate(Case, document, data)


def _with_schemas(suite: Suite, folder: Path, document: Document) -> Suite:
    """Read the files of JSON schemas, once each."""
    schemas: dict[str, Any] = {}

    def filled(where: tuple[str | int, ...], listed: list[Expectation]) -> list[Expectation]:
        return [_fill_expectation((*where, place), one, folder, document, schemas) for place, one in enumerate(listed)]

    cases = [
        case.model_copy(update={"expect": filled(("cases", place, "expect"), case.expect)})
        for place, case in enumerate(suite.cases)
    ]
    return suite.model_copy(update={"cases": cases, "expect": filled(("expect",), suite.expect)})


def _fill_expectation(
    where: tuple[str | int, ...], one: Expectation, folder: Path, document: Document, schemas: dict[str, Any]
) -> Expectation:
    if one.kind != "json_schema" or not isinstance(one.value, str):
        return one
    try:
        if one.value not in schemas:
            schemas[one.value] = json.loads((folder / one.value).read_text(encoding="utf-8"))
        return Expectation.model_validate({**one.model_dump(), "value": schemas[one.value]})
    except ValidationError as error:
        raise document.explain([Problem(where, f"{one.value}: {error.errors()[0]['msg']}.")]) from None
    except (OSError, ValueError) as error:
        raise document.explain([Problem(where, f"the schema {one.value!r} cannot be read: {error}.")]) from None


def _cross_check(suite: Suite) -> list[Problem]:
    """Return the problems between the suite and its cases."""
    problems = []
    if suite.traffic is not None:
        return _wrong_traffic(suite)
    if not suite.cases:
        problems.append(Problem(("cases",), "there is no case; give at least one."))
    twice = Counter(case.id for case in suite.cases)
    for place, case in enumerate(suite.cases):
        where = ("cases", place)
        subject = f"the case {case.id!r}"
        if twice[case.id] > 1:
            problems.append(Problem((*where, "id"), f"{subject} occurs {twice[case.id]} times; ids must be unique."))
        problems += [Problem(where, f"{subject} {wrong}") for wrong in _wrong_case(suite, case)]
    return problems


def _wrong_traffic(suite: Suite) -> list[Problem]:
    """Return settings that are impossible with traffic: own cases, and expectations that need a correct answer."""
    problems = [Problem(("cases",), "`traffic:` has no cases of its own; leave `cases:` out.")] if suite.cases else []
    if not suite.expect:
        problems.append(Problem(("expect",), "the traffic has no expectations; give `expect:`."))
    for place, one in enumerate(suite.expect):
        if one.kind in FROM_EXPECTED and one.value is None:
            message = f"{one.called!r} compares with a correct answer, which traffic does not have; give it a value."
            problems.append(Problem(("expect", place), message))
        if one.kind == "judge" and suite.judge is None:
            problems.append(Problem(("expect", place), "there is no judge; give `judge: {endpoint: …, rubric: …}`."))
    return problems


def _wrong_case(suite: Suite, case: Case) -> Iterator[str]:
    expectations = suite.expectations(case)
    if not expectations:
        yield "has no expectations; give `expect:` here or in the suite."
    for name, count in Counter(one.called for one in expectations).items():
        if count > 1:
            yield f"has {count} expectations with the name {name!r}; give each a unique `name:`."
    for one in expectations:
        if one.kind in FROM_EXPECTED and one.value is None and case.expected is None:
            yield f"has no `expected:`, which its expectation {one.called!r} compares with."
        if one.kind == "numeric" and one.value is None and case.expected is not None and not _is_number(case.expected):
            yield f"has `expected: {case.expected!r}`, which is not the number that {one.called!r} compares with."
        if one.kind == "exact" and one.value is None and isinstance(case.expected, list):
            yield f"has several texts as `expected:`, and {one.called!r} compares with one."
        if one.kind == "signal":
            lacking = (
                set(SIGNALS[one.value].needs) - {"question", "response"} - ({"context"} if case.context else set())
            )
            if lacking:
                yield f"has no {', '.join(sorted(lacking))}, which the signal {one.value!r} needs."
        if one.kind == "judge" and suite.judge is None:
            yield "needs a judge, and the suite has none; give `judge: {endpoint: …, rubric: …}`."


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True
