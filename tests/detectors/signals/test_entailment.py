"""The seam for a model of the operator's own, with a tiny one that is made here and asked by the real runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import SIGNALS
from detectors.records import Column
from detectors.signals.base import Signal
from monitor.config.signals import problems, resolve

VOCABULARY = {"[PAD]": 0, "[SEP]": 1, "paris": 2, "rome": 3, "france": 4, "[UNK]": 5}
WORTH = np.array(
    [[0, 0, 0], [0, 0, 0], [0, 0, 4], [6, 0, 0], [0, 0, 0], [0, 1, 0]], dtype=np.float32
)  # contradiction, neutral, entailment
"""What each word says: this model thinks that Paris is entailed by anything, and Rome by nothing."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("nli")
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="$A [SEP]:1 $B:1", special_tokens=[("[SEP]", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = ["rows", "length"]
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["worth", "input_ids"], ["each"]),
            helper.make_node("Cast", ["token_type_ids"], ["second"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["second", "last"], ["mask"]),
            helper.make_node("Mul", ["each", "mask"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "axis"], ["logits"], keepdims=0),
        ],
        "nli",
        [helper.make_tensor_value_info(name, TensorProto.INT64, rows) for name in ("input_ids", "token_type_ids")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 3])],
        [
            numpy_helper.from_array(WORTH, "worth"),
            numpy_helper.from_array(np.array([2]), "last"),
            numpy_helper.from_array(np.array([1]), "axis"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, folder / "model.onnx")
    return folder / "model.onnx", folder / "tokenizer.json"


def judge(files: tuple[Path, Path], **options: object) -> Signal:
    entry = {"entailment": {"model": str(files[0]), "tokenizer": str(files[1]), **options}}
    assert problems([entry], ()) == []
    return resolve([entry])[0]


def test_the_worst_claim_counts_and_is_shown(files: tuple[Path, Path]) -> None:
    signal = judge(files)
    answers = ["Paris is in France.", "Paris is in France. Rome is in France.", None, "…"]
    records = {"response": Column.of(answers), "context": Column.of(["France."] * 4)}
    found = signal.compute(records)
    assert found.missing.tolist() == [False, False, True, True]
    assert found.values[0] < 0.3 < 0.9 < found.values[1]
    assert signal.evidence is not None
    worst = signal.evidence({"response": str(answers[1]), "context": "France."})[0]
    assert str(answers[1])[worst.start : worst.end].strip() == "Rome is in France."


def test_only_the_stated_sample_is_asked_and_always_the_same(files: tuple[Path, Path]) -> None:
    texts = [f"Paris number {number}." for number in range(400)]
    records = {"response": Column.of(texts), "context": Column.of(["France."] * 400)}
    signal = judge(files, sample=0.1)
    first, second = signal.compute(records), signal.compute(records)
    assert 20 <= int((~first.missing).sum()) <= 65
    assert first.missing.tolist() == second.missing.tolist()


def test_hostile_texts_are_bounded(files: tuple[Path, Path]) -> None:
    texts = ["Paris. " * 100_000, "\x00" * 1000, "é" * 100_000]
    records = {"response": Column.of(texts), "context": Column.of(["France! " * 100_000] * 3)}
    found = judge(files).compute(records)
    assert len(found) == 3
    assert 0 <= found.values[0] <= 1


def test_without_a_model_it_is_missing_and_a_wrong_path_is_a_sentence(files: tuple[Path, Path]) -> None:
    records = {"response": Column.of(["Paris."]), "context": Column.of(["France."])}
    assert SIGNALS["entailment"].compute(records).missing.all()
    wrong = problems([{"entailment": {"model": "nowhere.onnx", "tokenizer": str(files[1])}}], ())
    assert "nowhere.onnx is not a file" in wrong[0].message
    share = problems([{"entailment": {"model": str(files[0]), "tokenizer": str(files[1]), "sample": 2}}], ())
    assert "is a share" in share[0].message
