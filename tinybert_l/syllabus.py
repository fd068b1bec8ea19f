"""The registry of exercises: what the table of contents, the grades and the documentation are drawn from."""

from dataclasses import dataclass

from tinybert_l.exercise import NOTEBOOKS


@dataclass(frozen=True)
class Item:
    """One auto-graded exercise.

    Args:
        minutes: effort for a student who has read the lecture up to it.
        needs: exercises whose idea it builds on.
    """

    lecture: int
    minutes: int
    title_zh: str
    title_en: str
    needs: tuple[str, ...] = ()
    points: int = 4

    @property
    def notebook(self) -> str:
        return NOTEBOOKS[self.lecture]


SYLLABUS: dict[str, Item] = {
    "parameter_count": Item(1, 15, "参数计数", "Counting parameters"),
    "soft_cross_entropy": Item(1, 10, "软标签交叉熵", "Cross-entropy with soft labels"),
    "joint_loss": Item(2, 8, "联合损失", "The joint loss"),
    "sandwich_sample": Item(2, 12, "三明治法则", "The sandwich rule"),
    "kept_layers": Item(3, 8, "保留的层", "Which layers stay"),
    "slice_heads": Item(3, 12, "切出注意力头", "Slicing heads"),
    "layer_map": Item(3, 8, "层映射", "Layer mapping", ("kept_layers",)),
    "hidden_loss": Item(3, 15, "隐藏状态损失", "The hidden-state loss"),
    "attention_loss": Item(3, 17, "注意力损失", "The attention loss", ("hidden_loss",)),
    "submodel_schedule": Item(4, 12, "渐进式引入", "Progressive introduction", ("sandwich_sample",)),
    "linear_warmup_decay": Item(4, 8, "预热与衰减", "Warm-up and decay"),
    "clip_by_global_norm": Item(4, 12, "按全局范数裁剪", "Clipping by the global norm"),
    "weight_decay_by_name": Item(4, 5, "哪些权重衰减", "Which weights decay"),
    "split_document": Item(5, 10, "切分长文档", "Splitting long documents"),
    "best_answer_span": Item(5, 12, "最佳答案片段", "The best answer span"),
    "pareto_frontier": Item(6, 12, "帕累托前沿", "The Pareto frontier"),
    "head_importance": Item(7, 10, "注意力头的重要性", "The importance of heads", ("slice_heads",)),
    "early_exit": Item(7, 12, "提前退出", "Early exit"),
    "macro_f1": Item(8, 10, "宏平均F1", "Macro F1"),
    "choose_submodel": Item(8, 10, "选择子模型", "Choosing a sub-model", ("pareto_frontier",)),
    "causal_mask": Item(9, 8, "因果掩码", "The causal mask"),
    "top_p_filter": Item(9, 15, "核采样", "Top-p sampling"),
    "distinct_n": Item(9, 5, "不重复n元组比例", "Distinct n-grams"),
    "flops": Item(11, 10, "浮点运算计数", "Counting FLOPs", ("parameter_count",)),
}
