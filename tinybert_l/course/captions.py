"""Words for people: titles of columns, labels of rows and titles of benchmarks, in two languages.

The only place where a record's identifiers become words. No program reads these words back: change
them freely. Lectures, the results page and the benchmarks' printed tables all take them from here.
"""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Literal

from tinybert_l.course.rows import (
    AblationRow,
    AuthorRow,
    BaselineRow,
    CascadeRow,
    ChineseRow,
    DeployRow,
    DocumentRow,
    GenerationRow,
    GradientAgreementRow,
    HeadlineRow,
    JointCostRow,
    JointGapRow,
    JointMeanGapRow,
    LongTextRow,
    MaskedTokenRow,
    PeerRow,
    PerplexityRow,
    QuestionRow,
    ReadingSpeedRow,
    Row,
    SelfDistillationRow,
    ShardsRow,
    StabilityRow,
    StepRow,
    StrategyRow,
    SubModelSpeedRow,
    TrainingMethodRow,
    TrivialAnswerRow,
    WorkersRow,
    WritingSpeedRow,
)
from tinybert_l.languages import current_language, one_of
from tinybert_l.submodels import SubModel

UNITS_ZH = {"points": "百分点", "nats": "奈特", "seeds": "种子"}


@dataclass(frozen=True)
class Caption:
    """Words in English and Chinese, with a unit; as text: English, Chinese, (unit).

    Args:
        zh_alone: the Chinese of a course in Chinese, where English serves in one of both languages.
    """

    en: str
    zh: str = ""
    unit: str = ""
    zh_alone: str = ""

    def __str__(self) -> str:
        text = one_of(self.en, self.zh)
        if current_language() == "zh":
            text = self.zh_alone or self.zh or self.en
        unit = UNITS_ZH.get(self.unit, self.unit) if current_language() == "zh" else self.unit
        return f"{text} ({unit})" if unit else text


@dataclass(frozen=True)
class Column:
    """The title of a field's column, and of the columns that hold the ends of an interval.

    "{key}" stands for the label of a sub-model or a kind of question where the field is a
    dictionary.
    """

    title: Caption
    low: str = "low"
    high: str = "high"
    signed: bool = False  # a difference is shown with its sign


NAME = Caption("name", "名称")
VERDICT_COLUMNS = {
    "claim": Caption("claim", "主张"),
    "test": Caption("test", "检验"),
    "number": Caption("number", "数字"),
    "verdict": Caption("verdict", "判断"),
    "record": Caption("record", "记录"),
    "lecture": Caption("lecture", "讲"),
    "source": Caption("from", "来自"),
    "run": Caption("run", "运行"),
}
SPREAD = "± (sd over seeds)"  # follows the title of a mean

_DURATION = {
    "duration_ms": Column(Caption("ms", zh_alone="毫秒")),
    "times_faster": Column(Caption("faster", zh_alone="加速")),
}
_ACCURACY = Column(Caption("accuracy", "准确率", "%"))
_TOKENS_PER_SECOND = Column(Caption("tokens a second", "每秒词元"))
_DRAFTS_KEPT = Column(Caption("drafts that stayed", "保留的草稿", "%"))
_DIFFERENCE = Column(Caption("difference", "差", "points"), signed=True)


def _against(baseline: str, chinese: str) -> Column:
    title = Caption(f"against {baseline}", f"与{chinese}之差", "points")
    return Column(title, f"{title}: low", f"{title}: high", signed=True)


# by kind of row and field, in the order in which they are shown; other fields are not shown
COLUMNS: dict[str, dict[str, Column]] = {
    "headline": {
        "accuracy_percent": Column(Caption("accuracy", unit="%", zh_alone="准确率")),
        "kept_percent": Column(Caption("kept", unit="%", zh_alone="保留")),
        "times_faster_batch_1": Column(Caption("faster, batch 1", zh_alone="加速（单句）")),
        "times_faster_batch_32": Column(Caption("faster, batch 32", zh_alone="加速（32句一批）")),
        "times_smaller": Column(Caption("smaller", zh_alone="缩小")),
        "same_runtime_times_faster_batch_1": Column(
            Caption(
                "in the teacher's runtime: faster, batch 1",
                zh_alone="与教师同一运行时的加速（单句）",
            )
        ),
        "same_runtime_times_faster_batch_32": Column(
            Caption(
                "in the teacher's runtime: faster, batch 32",
                zh_alone="与教师同一运行时的加速（32句一批）",
            )
        ),
    },
    "ablation": {
        "accuracy_percent": Column(Caption("{key}", unit="%")),
        "difference_points": Column(
            Caption("{key}: difference", "差"), "{key}: low", "{key}: high", signed=True
        ),
    },
    "joint_gap": {
        "joint_percent": Column(Caption("joint", "联合", "%")),
        "separate_percent": Column(Caption("separate", "单独", "%")),
        "difference_points": _DIFFERENCE,
    },
    "joint_mean_gap": {"difference_points": _DIFFERENCE},
    "joint_cost": {"ratio": Column(Caption("ratio", zh_alone="比值"))},
    "stability": {
        "mean_accuracy_percent": Column(Caption("mean of nine", "九者平均", "%")),
        "smallest_accuracy_percent": Column(Caption("smallest", "最小", "%")),
        "largest_accuracy_percent": Column(Caption("largest", "最大", "%")),
        "largest_gradient_norm": Column(Caption("largest gradient norm", "最大梯度范数")),
    },
    "training_method": {
        "accuracy_fraction": Column(Caption("accuracy", zh_alone="准确率")),
        "divergence_nats": Column(Caption("divergence", zh_alone="散度")),
    },
    "document": {
        "accuracy_percent": _ACCURACY,
        "gflops_per_review": Column(Caption("GFLOPs a review", "每篇浮点运算")),
        "against_cutting_points": _against("cutting", "截断"),
        "against_windows_points": _against("windows", "窗口"),
    },
    "question": {
        "exact_match_percent": Column(Caption("{key}: EM", unit="%", zh_alone="{key}：EM")),
        "exact_match_all_percent": Column(Caption("all: EM", unit="%", zh_alone="全部：EM")),
        "f1_all_percent": Column(Caption("all: F1", unit="%", zh_alone="全部：F1")),
    },
    "generation": {
        "perplexity": Column(Caption("perplexity", "困惑度")),
        "distinct_2": Column(Caption("distinct-2")),
        "repetition": Column(Caption("repetition", "重复率")),
        "self_bleu": Column(Caption("self-BLEU", "自BLEU")),
        "coherence": Column(Caption("coherence", "连贯")),
        "tokens_per_second": _TOKENS_PER_SECOND,
        "drafts_kept_percent": _DRAFTS_KEPT,
    },
    "chinese": {
        "accuracy_percent": _ACCURACY,
        "gain_points": Column(Caption("gain", "增益", "points"), signed=True),
    },
    "deploy": {
        **_DURATION,
        "megabytes": Column(Caption("MB")),
        "times_smaller": Column(Caption("smaller", "小")),
        "accuracy_percent": _ACCURACY,
    },
    "step": {
        **_DURATION,
        "loss": Column(Caption("loss", "损失")),
        "memory_gb": Column(Caption("memory of a step", "一步所用显存", "GB")),
        "sub_model_examples_per_second": Column(
            Caption("sub-models·examples/s", "子模型·样本/秒")
        ),
        "gemm_share_percent": Column(Caption("share of GEMM rate", "占矩阵乘速率", "%")),
    },
    "writing_speed": {
        **_DURATION,
        "tokens_per_second": _TOKENS_PER_SECOND,
        "drafts_kept_percent": _DRAFTS_KEPT,
    },
    "reading_speed": {
        **_DURATION,
        "microseconds_per_token": Column(Caption("µs a token", "每词元微秒")),
        "times_shortest": Column(Caption("against 512", zh_alone="相对512")),
    },
    "peer": {
        **_DURATION,
        "sub_model_examples_per_second": Column(
            Caption("sub-models·examples a second", "每秒")
        ),
        "smallest_accuracy_percent": Column(
            Caption("accuracy of the smallest", "最小者准确率", "%")
        ),
    },
    "shards": {
        "gigabytes": Column(Caption("on disk", "磁盘", "GB")),
        "peak_gigabytes": Column(Caption("most memory", "最多内存", "GB")),
        "milliseconds_a_step": Column(Caption("a step", "每步", "ms")),
    },
    "workers": {**_DURATION},
    "sub_model_speed": {
        "times_faster": Column(Caption("faster", zh_alone="加速")),
        "times_fewer_flops": Column(Caption("fewer FLOPs", zh_alone="FLOPs减少")),
    },
    "first_use": {
        "median_seconds": Column(Caption("median", zh_alone="中位数")),
        "from_scratch_seconds": Column(Caption("from scratch", zh_alone="从头开始")),
    },
    "serve": {
        "hand_ins": Column(Caption("hand-ins", zh_alone="提交")),
        "seconds": Column(Caption("within", "内", "s")),
        "failed": Column(Caption("refused", zh_alone="失败")),
        "accept_p50_ms": Column(Caption("receipt, median", "回执，中位数", "ms")),
        "accept_p95_ms": Column(Caption("p95", "", "ms")),
        "accept_max_ms": Column(Caption("slowest", "最慢", "ms")),
        "judged_per_minute": Column(Caption("judged a minute", "每分钟评判")),
        "load_average": Column(Caption("load", "负载")),
    },
    "class_scale": {
        "students": Column(Caption("students", "学生")),
        "init_seconds": Column(Caption("course init", "", "s")),
        "release_seconds": Column(Caption("release", "", "s")),
        "second_tenth_seconds": Column(Caption("a notebook, 2nd tenth", "第二个十分之一", "s")),
        "last_tenth_seconds": Column(Caption("last tenth", "最后十分之一", "s")),
        "growth": Column(Caption("last / 2nd")),
        "two_workers": Column(Caption("two workers", "两个进程", "×")),
        "two_loops": Column(Caption("two loops", "两个循环", "×")),
        "load_average": Column(Caption("load", "负载")),
    },
    "baseline": {
        "labelled_sentences": Column(Caption("labelled sentences", "标注句子")),
        "labelled_reviews": Column(Caption("labelled reviews", "标注影评")),
        "accuracy_percent": _ACCURACY,
        "validation_percent": Column(Caption("validation", "验证", "%")),
        "against_bag_points": _against("the bag of the sentences", "只学句子的词袋"),
    },
    "perplexity": {
        "blocks_read": Column(Caption("blocks read", "读过的文本块")),
        "perplexity": Column(Caption("perplexity", "困惑度")),
    },
    "author": {
        "perplexity": Column(Caption("perplexity", "困惑度")),
        "below_trigram_percent": Column(
            Caption("below the trigram's", "比三元语法低", "%"),
            "below the trigram's: low",
            "below the trigram's: high",
            signed=True,
        ),
        "order_nats": Column(
            Caption("human minus shuffled order", "人的次序减打乱", "nats"),
            "human minus shuffled: low",
            "human minus shuffled: high",
            signed=True,
        ),
    },
    "long_text": {
        "tokens": Column(Caption("tokens", "词元数")),
        "repetition_curve": Column(Caption("repetition by fifth", "各五分之一的重复率", "%")),
        "returning": Column(
            Caption("rare words that return", "再次出现的少见词", "%"),
            "rare words that return: low",
            "rare words that return: high",
        ),
    },
    "gradient_agreement": {
        "cosine_mean": Column(Caption("cosine, mean", "余弦均值")),
        "cosine_sd": Column(Caption("sd over batches", "各批标准差")),
        "negative_percent": Column(Caption("batches below 0", "余弦为负的批", "%")),
    },
    "cascade": {
        "max_entropy": Column(Caption("entropy at most", "熵上限", "nats")),
        "gflops": Column(Caption("GFLOPs spent", "实际浮点运算")),
        "accuracy_percent": _ACCURACY,
        "validation_percent": Column(Caption("validation", "验证", "%")),
        "difference_points": Column(
            Caption("against the target alone", "与目标单独之差", "points"),
            "against the target alone: low",
            "against the target alone: high",
            signed=True,
        ),
    },
    "masked_token": {
        "named_percent": Column(Caption("hidden tokens named", "掩码预测准确率", "%")),
        "against_most_frequent_points": _against("the most frequent token", "最常见字"),
    },
    "strategy": {
        "validation_percent": Column(Caption("validation", "验证", "%")),
        "accuracy_percent": _ACCURACY,
        "test_loss_nats": Column(Caption("test loss", "测试损失", "nats")),
        "largest_gradient_norm": Column(Caption("largest gradient norm", "最大梯度范数")),
        "difference_points": _against("all on", "全开"),
        "difference_nats": Column(
            Caption("loss against all on", "损失与全开之差", "nats"),
            "loss against all on: low",
            "loss against all on: high",
            signed=True,
        ),
    },
    "self_distillation": {
        "accuracy_percent": _ACCURACY,
        "nats_to_largest": Column(Caption("to the largest", "到最大者", "nats")),
        "difference_points": _against("none", "无自蒸馏"),
        "difference_nats": Column(
            Caption("distance against none", "距离与无自蒸馏之差", "nats"),
            "distance against none: low",
            "distance against none: high",
            signed=True,
        ),
    },
    "trivial_answer": {
        "training_percent": Column(Caption("training stories", "训练故事", "%")),
        "exact_match_percent": Column(Caption("EM", unit="%")),
    },
}  # fmt: skip

# by field and identifier
VALUES: dict[str, dict[Any, Caption]] = {
    "role": {
        "teacher": Caption("teacher", "教师"),
        "chosen_small": Caption(
            "chosen", "选定, ≥15× faster, ≥10× smaller", zh_alone="选定，至少快15倍、小10倍"
        ),
        "chosen_same_runtime": Caption(
            "chosen", "选定, in the teacher's runtime and float32, ≥8× faster"
        ),
    },
    "variant": {
        "all_parts": Caption("all parts", "全部"),
        "soft_labels_only": Caption("soft labels only", "只用软标签"),
        "no_unlabelled_text": Caption("no unlabelled text", "无无标注文本"),
        "no_order_of_importance": Caption("no order of importance", "无重要性排序"),
        "no_self_distillation": Caption("no self-distillation", "无自蒸馏"),
        "whole_vocabulary": Caption("whole vocabulary", "完整词表"),
        "smallest_alone": Caption("the smallest alone", "最小者单独"),
    },
    "compared_with": {
        "largest_alone": Caption("joint run over the largest alone", "联合/最大者单独"),
        "all_alone": Caption("joint run over all alone", "联合/全部单独"),
    },
    "unit": {
        "forward_flops": Caption("FLOPs of the forward passes", "前向浮点运算"),
        "seconds": Caption("seconds", "秒"),
    },
    "schedule, self_distillation": {
        ("progressive", True): Caption("progressive, self-distillation", "渐进，自蒸馏"),
        ("progressive", False): Caption("progressive, none", "渐进，无自蒸馏"),
        ("all_at_once", True): Caption("all at once, self-distillation", "同时，自蒸馏"),
        ("all_at_once", False): Caption("all at once, none", "同时，无自蒸馏"),
        ("random_order", True): Caption("random order, self-distillation", "随机次序，自蒸馏"),
    },
    "method": {
        "labels_only": Caption("fine-tune a small model", "微调小模型"),
        "logits_only": Caption("distil logits only", "只蒸馏logits"),
        "two_stages_alone": Caption("TinyBERT, two stages", "两阶段"),
        "joint": Caption("joint fine-tuning", "联合微调"),
        "joint_two_stages": Caption("joint, two stages", "联合两阶段"),
    },
    "reading": {
        "cut": Caption("cut", zh_alone="只读开头"),
        "windows": Caption("windows", zh_alone="切窗口"),
        "windowed_attention": Caption("windowed attention", zh_alone="窗口注意力"),
        "windowed_attention_short_first": Caption(
            "windowed attention, short first", zh_alone="窗口注意力，先短"
        ),
    },
    "author": {
        "last_mentioned": Caption("mentioned last", "最后提到的"),
        "trigram": Caption("trigram", "三元语法"),
        "human": Caption("human", "人"),
        "alone": Caption("alone", "单独训练"),
        "drafted": Caption("drafted", "起草"),
        "no_kv_cache": Caption("no KV cache", "无缓存"),
    },
    "decoding": {
        "greedy": Caption("greedy", "贪心"),
        "top_p": Caption("top-p 0.9"),
        "top_p_penalty": Caption("top-p 0.9, penalty 1.2", "重复惩罚"),
    },
    "model": {
        "most_frequent_token": Caption("the most frequent token", "最常见字"),
        "untrained": Caption("untrained", "未训练"),
        "pretrained": Caption("joint pre-training", "联合预训练"),
        "majority": Caption("always the most frequent class", "总答多数类"),
        "bag_of_words": Caption("bag of words", "词袋"),
        "teacher": Caption("teacher", "教师"),
    },
    "exit_method": {
        "single": Caption("alone", "单独"),
        "cascade": Caption("cascade", "级联"),
        "trained_exits": Caption("exits after every layer, trained", "每层出口，训练过"),
        "untrained_exits": Caption("exits after every layer, untrained", "每层出口，未训练"),
    },
    "goal": {
        "cost": Caption("chosen for the cost of", "按同等开销选定"),
        "accuracy": Caption("chosen for the accuracy of", "按同等准确率选定"),
    },
    "strategy": {
        "all_on": Caption("all on", "全开"),
        "constant_rate": Caption("constant learning rate", "学习率恒定"),
        "no_clipping": Caption("no clipping", "无裁剪"),
        "no_weight_decay": Caption("no weight decay", "无权重衰减"),
        "no_dropout": Caption("no dropout", "无随机失活"),
    },
    "is_chosen": {True: Caption("chosen", "选定")},
    "self_distillation": {
        True: Caption("self-distillation", "自蒸馏"),
        False: Caption("none", "无自蒸馏"),
    },
    "rule": {
        "always": Caption("always “{word}”", "总答{word}"),
        "mentioned_last": Caption("mentioned last", "最后提到的"),
        "mentioned_last_unasked": Caption(
            "mentioned last, not in the question", "问句外最后提到的"
        ),
        "mentioned_first": Caption("mentioned first", "最先提到的"),
        "mentioned_most": Caption("mentioned most often", "提到最多的"),
    },
    "task": {
        "sentences": Caption("sentences", "句子"),
        "reviews": Caption("whole reviews", "整篇影评"),
    },
    "pretrained": {
        True: Caption("joint pre-training", "联合预训练"),
        False: Caption("none", "无预训练"),
    },
    "work": {
        "training": Caption("joint training by Accelerate", "Accelerate联合训练"),
        "grading": Caption("grading by Dask", "Dask评分"),
    },
    "mean": {"mean": Caption("mean", "平均")},
    "size": {
        "course": Caption("this course's model", zh_alone="本课的模型"),
        "bert_base": Caption("BERT-base"),
    },
    "change": {
        "plain_loop": Caption("plain loop", "朴素循环"),
        "batches_by_length": Caption("+ batches by length", "按长度分批"),
        "scaled_dot_product_attention": Caption("+ scaled dot-product attention", "融合注意力"),
        "bfloat16": Caption("+ bfloat16"),
        "fused_adamw": Caption("+ fused AdamW", "融合优化器"),
        "embeddings_once": Caption("+ embeddings computed once", "词嵌入只算一次"),
        "teacher_outputs_kept": Caption("+ teacher's outputs kept", "缓存教师输出"),
        "measured_precision": Caption("+ precision as measured", "实测更快的精度"),
        "pruned_vocabulary": Caption("+ pruned vocabulary", "裁剪词表"),
        "last_layer_first_token": Caption("+ last layer for [CLS] alone", "末层只算[CLS]"),
    },
    "attention": {"full": Caption("full", "全注意力"), "windowed": Caption("windowed", "窗口")},
    "contestant": {
        "plain_loop": Caption("plain loop", "朴素循环"),
        "trainer": Caption("transformers Trainer"),
        "textbrewer": Caption("TextBrewer 0.2.1"),
        "masks": Caption("masks instead of slices", "掩码"),
        "ours_separate": Caption("ours, but each alone", "各自单独"),
        "ours_joint": Caption("ours, jointly", "联合"),
        "bert": Caption("BERT (transformers)"),
        "masked": Caption("masked to width ¼", zh_alone="掩到宽度¼"),
    },
}

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


def caption(field: str, value: Any) -> Caption:
    """The words for a field's identifier; an identifier without words stands for itself."""
    return VALUES[field].get(value, Caption(str(value)))


def benchmark_title(kind: str, details: dict[str, Any]) -> str:
    """The title of a benchmark's record, filled in from its details."""
    words = dict(details)
    if "sub_models" in words:
        parsed = map(SubModel.parse, words["sub_models"])
        words["sub_models"] = ", ".join(sub_model.label for sub_model in parsed)
    if "sub_model" in words:
        words["sub_model"] = SubModel.parse(words["sub_model"]).label
    return BENCHMARK_TITLES[kind].format(**words)


@singledispatch
def label(row: Row) -> str:
    """Name a row for people; empty where a record has a single row."""
    return ""


@label.register
def _(row: HeadlineRow) -> str:
    models = ", ".join(model.label for model in row.models)
    if row.role == "candidate":
        return models
    words = str(caption("role", row.role))
    if row.role == "teacher":
        return words
    return f"{words}: {models or 'none 无'}"


@label.register
def _(row: AblationRow) -> str:
    return str(caption("variant", row.variant))


@label.register
def _(row: JointGapRow) -> str:
    return row.sub_model.label


@label.register
def _(row: JointMeanGapRow) -> str:
    return str(caption("mean", "mean"))


@label.register
def _(row: JointCostRow) -> str:
    return f"{caption('compared_with', row.compared_with)}: {caption('unit', row.unit)}"


@label.register
def _(row: StabilityRow) -> str:
    return str(caption("schedule, self_distillation", (row.schedule, row.self_distillation)))


@label.register
def _(row: TrainingMethodRow) -> str:
    return str(caption("method", row.method))


@label.register
def _(row: DocumentRow) -> str:
    return f"{row.sub_model.label}, {caption('reading', row.reading)}"


@label.register
def _(row: QuestionRow) -> str:
    if row.sub_model is None:
        return str(caption("author", "last_mentioned"))
    return row.sub_model.label


@label.register(GenerationRow)
@label.register(WritingSpeedRow)
def _(row: GenerationRow | WritingSpeedRow) -> str:
    if row.sub_model is None:
        author = row.author if isinstance(row, GenerationRow) else ""
        return str(caption("author", author))
    parts = [row.sub_model.label, str(caption("decoding", row.decoding))]
    if row.drafted:
        parts.append(str(caption("author", "drafted")))
    if not row.kv_cache:
        parts.append(str(caption("author", "no_kv_cache")))
    return ", ".join(parts)


@label.register
def _(row: ChineseRow) -> str:
    return f"{row.sub_model.label}, {caption('pretrained', row.pretrained)}"


@label.register
def _(row: BaselineRow) -> str:
    parts = [str(caption("task", row.task)), str(caption("model", row.model))]
    if row.reading is not None:
        parts.append(str(caption("reading", row.reading)))
    return ", ".join(parts)


@label.register
def _(row: PerplexityRow) -> str:
    return _author(row)


@label.register
def _(row: AuthorRow) -> str:
    return _author(row)


@label.register
def _(row: LongTextRow) -> str:
    return f"{_author(row)}, {row.tokens}"


def _author(row: PerplexityRow | AuthorRow | LongTextRow) -> str:
    if row.sub_model is None:
        return str(caption("author", row.author))
    if row.author == "alone":
        return f"{row.sub_model.label}, {caption('author', row.author)}"
    return row.sub_model.label


@label.register
def _(row: GradientAgreementRow) -> str:
    return f"{row.first.label}, {row.second.label}"


@label.register
def _(row: ShardsRow) -> str:
    return f"{row.texts:,}"


@label.register
def _(row: WorkersRow) -> str:
    return f"{caption('work', row.work)}: {row.workers}"


@label.register
def _(row: CascadeRow) -> str:
    names = " → ".join(sub_model.label for sub_model in row.sub_models)
    parts = [f"{caption('exit_method', row.method)}: {names}"]
    if row.goal is not None and row.target is not None:
        parts.append(f"{caption('goal', row.goal)} {row.target.label}")
    return ", ".join(parts)


@label.register
def _(row: StrategyRow) -> str:
    words = f"{caption('strategy', row.strategy)}, {row.learning_rate:g}"
    return f"{words}, {caption('is_chosen', True)}" if row.is_chosen else words


@label.register
def _(row: SelfDistillationRow) -> str:
    return f"{row.sub_model.label}, {caption('self_distillation', row.self_distillation)}"


@label.register
def _(row: MaskedTokenRow) -> str:
    words = str(caption("model", row.model))
    return words if row.sub_model is None else f"{row.sub_model.label}, {words}"


@label.register
def _(row: TrivialAnswerRow) -> str:
    rule = str(caption("rule", row.rule)).replace("{word}", row.word or "")
    return f"{row.question}: {rule}"


@label.register
def _(row: DeployRow) -> str:
    if row.model is None:
        return f"{caption('role', 'teacher')}, torch"
    runtime = row.model.runtime
    return f"{row.model.sub_model.label}, {'torch' if runtime == 'torch float32' else runtime}"


@label.register
def _(row: StepRow) -> str:
    change = str(caption("change", row.change))
    return change if row.size is None else f"{caption('size', row.size)}: {change}"


@label.register
def _(row: ReadingSpeedRow) -> str:
    return f"{reading_words(row)}, {row.length}"


def reading_words(row: ReadingSpeedRow, language: Literal["en", "both"] = "both") -> str:
    """Name the attention, and the share of the tokens that reaches the last layer."""
    attention = caption("attention", row.attention)
    if row.sub_model.length < 1:
        return f"{attention.en}, {row.sub_model.label.rpartition('×')[2]} length"
    return attention.en if language == "en" else str(attention)


@label.register
def _(row: PeerRow) -> str:
    return str(caption("contestant", row.contestant))


@label.register
def _(row: SubModelSpeedRow) -> str:
    if row.sub_model is not None:
        return row.sub_model.label
    return str(caption("contestant", row.contestant))
