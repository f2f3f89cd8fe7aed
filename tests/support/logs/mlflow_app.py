"""An application that is traced by a real MLflow: ``python mlflow_app.py URL TRACES``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"

import mlflow  # noqa: E402
from mlflow.entities import AssessmentSource  # noqa: E402

JUDGE = AssessmentSource(source_type="LLM_JUDGE", source_id="judge")
PERSON = AssessmentSource(source_type="HUMAN", source_id="someone")


@mlflow.trace(name="answer", span_type="CHAIN")
def answer(question: str, number: int) -> str:
    with mlflow.start_span(name="llm", span_type="CHAT_MODEL") as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}], "model": "gpt-4o"})
        reply: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": f"It is {number}."}}]}
        span.set_outputs(reply)
        span.set_attribute(
            "mlflow.chat.tokenUsage", {"input_tokens": 5 + number, "output_tokens": 3, "total_tokens": 8 + number}
        )
        span.set_attribute("mlflow.llm.model", "gpt-4o")
        span.set_attribute("mlflow.llm.provider", "openai")
    mlflow.update_current_trace(metadata={"mlflow.trace.user": "u1", "mlflow.trace.session": "s1"})
    if number == 2:
        raise RuntimeError("the tool is down")
    return f"It is {number}."


def main(url: str, count: int) -> None:
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("bot")
    for number in range(count):
        with suppress(RuntimeError):
            answer(f"What is {number}?", number)
        trace = mlflow.get_last_active_trace_id()
        mlflow.log_feedback(trace_id=trace, name="grounded", value=number / 10, source=JUDGE)
        mlflow.log_feedback(trace_id=trace, name="Relevant?", value="yes" if number else "no", source=JUDGE)
        if number < 2:
            first = mlflow.log_feedback(trace_id=trace, name="thumbs", value=False, source=PERSON)
            mlflow.override_feedback(
                trace_id=trace, assessment_id=first.assessment_id, value=number == 1, source=PERSON
            )
        mlflow.log_expectation(trace_id=trace, name="expected", value="It is 1.", source=PERSON)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
