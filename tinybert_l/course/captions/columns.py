"""The titles of columns: of a record's fields, of intervals, of the table of verdicts."""

from dataclasses import dataclass

from tinybert_l.course.captions.words import Caption


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
    """The difference from a baseline, with its sign."""
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
        "mpnet_times_faster_batch_1": Column(
            Caption("than MPNet: faster, batch 1", zh_alone="比MPNet快几倍（单句）")
        ),
        "mpnet_times_faster_batch_32": Column(
            Caption("than MPNet: faster, batch 32", zh_alone="比MPNet快几倍（32句一批）")
        ),
        "mpnet_times_smaller": Column(
            Caption("than MPNet: smaller", zh_alone="比MPNet小几倍")
        ),
        "gain_points": _against("the teacher's soft labels", "教师的软标签"),
    },
    "ablation": {
        "accuracy_percent": Column(Caption("{key}", unit="%")),
        "difference_points": Column(
            Caption("{key}: difference", "差", zh_alone="{key}：差"),
            "{key}: low",
            "{key}: high",
            signed=True,
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
        "against_soft_labels_points": _against("soft labels alone", "只学软标签"),
        "divergence_nats": Column(Caption("divergence", "散度", "nats")),
    },
    "document": {
        "accuracy_percent": _ACCURACY,
        "gflops_per_review": Column(
            Caption("GFLOPs a review", "每篇浮点运算", zh_alone="每篇的GFLOPs")
        ),
        "against_cutting_points": _against("cutting", "截断"),
        "against_windows_points": _against("windows", "窗口"),
        "against_bag_points": _against("bag of words", "词袋"),
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
        "gflops": Column(Caption("GFLOPs spent", "实际浮点运算", zh_alone="实际的GFLOPs")),
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
    "two_stages": {
        "steps": Column(Caption("steps", "步数")),
        "times_the_cost": Column(Caption("cost, of task only", "代价，以只有任务为1", "×")),
        "accuracy_percent": _ACCURACY,
        "difference_points": _against("task only", "只有任务"),
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
