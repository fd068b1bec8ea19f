"""The words for a record's identifiers, by the field that holds them."""

from typing import Any

from tinybert_l.course.captions.words import Caption

# by field and identifier
VALUES: dict[str, dict[Any, Caption]] = {
    "role": {
        "teacher": Caption("teacher", "教师"),
        "mpnet": Caption("MPNet"),
        "bag_of_words": Caption("bag of words", "词袋"),
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
        "no_unlabelled_text": Caption("no unlabelled text", "不用无标注文本"),
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
    "way_to_student": {
        "task_only": Caption("task only", "只有任务蒸馏"),
        "general_then_task": Caption("general, then task", "先通用，后任务"),
        "task_for_longer": Caption("task only, at the cost of both", "只有任务，代价同两阶段"),
        "general_then_labels": Caption("general, then labels", "先通用，后标签"),
        "slices_of_the_teacher": Caption("task, from the teacher's slices", "任务，从教师的切片起"),
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
    "question": {
        "where is a person": Caption("where is a person", zh_alone="人在哪里"),
        "where is an object": Caption("where is an object", zh_alone="物品在哪里"),
        "where was it before": Caption("where was it before", zh_alone="物品先前在哪里"),
        "who has an object": Caption("who has an object", zh_alone="谁拿着物品"),
        "negation": Caption("negation", zh_alone="否定"),
        "counting": Caption("counting", zh_alone="数数"),
        "coreference": Caption("coreference", zh_alone="指代"),
        "time": Caption("time", zh_alone="时间"),
        "path": Caption("path", zh_alone="路径"),
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


def caption(field: str, value: Any) -> Caption:
    """The words for a field's identifier; an identifier without words stands for itself."""
    return VALUES[field].get(value, Caption(str(value)))
