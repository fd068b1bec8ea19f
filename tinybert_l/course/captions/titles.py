"""The titles of benchmarks, filled in from their records."""

from typing import Any

from tinybert_l.submodels import SubModel

# by kind of record; the fields are those of a record's `details`
BENCHMARK_TITLES = {
    "deploy": "Deployed 部署: batch {batch}, length {length}",
    "first_use": "Seconds to the first joint step",
    "serve": "Hand-ins over HTTP 通过HTTP提交",
    "class_scale": "A large class, processor seconds 大班，处理器秒数",
    "generation_speed": "Writing {tokens} tokens 生成",
    "gpu_step": "A joint step on {gpu} 一步联合训练",
    "joint_step": "A joint step 一步联合训练: {sub_models}; batch {batch}",
    "reading_speed": "Reading {tokens} tokens in documents of several lengths 不同长度的文档: "
    "{sub_model}, window {window}",
    "peers": "A turn of nine sub-models 九个子模型各一批; batch {batch}, {precision}",
    "scale_memory": "Training from outputs on disk 教师输出存于磁盘: batch {batch}",
    "scale_workers": "One process and two 一个与两个进程",
    "sub_model_speed": "Times faster than BERT: batch {batch}, length {length}, "
    "{threads} threads, {rounds} rounds",
}


def benchmark_title(kind: str, details: dict[str, Any]) -> str:
    """The title of a benchmark's record, filled in from its details."""
    words = dict(details)
    if "sub_models" in words:
        parsed = map(SubModel.parse, words["sub_models"])
        words["sub_models"] = ", ".join(sub_model.label for sub_model in parsed)
    if "sub_model" in words:
        words["sub_model"] = SubModel.parse(words["sub_model"]).label
    return BENCHMARK_TITLES[kind].format(**words)
