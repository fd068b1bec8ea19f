"""Every claim of the outline is named in the lecture that judges it."""

import pytest
from lecture_text import cells_of

# What the outline asserts, chapter by chapter, in its own words.
CLAIMS = {
    1: ("高效自然语言处理模型", "保持高性能的同时显著减少模型参数量"),
    2: ("提高了模型的泛化能力和推理速度", "能够提高模型的训练效率和性能"),
    3: ("标准BERT架构", "显著减少计算复杂度", "逐步引入", "自蒸馏", "复杂任务"),
    4: ("预训练", "高效处理长序列数据", "提高训练稳定性和模型性能"),
    5: ("长文档理解", "问答系统", "文本生成", "表现出色", "通过实际应用案例"),
    6: ("生成效率高", "处理长序列能力强", "依赖联合学习框架", "实现复杂度高"),
    7: (
        *("优化联合学习框架", "降低实现复杂度", "提升模型可解释性", "进一步提高性能", "适用性"),
        *("更高效的联合学习框架", "更强大的计算资源支持", "更加多样化的应用场景"),
        "在更多领域发挥重要作用",
    ),
    8: ("高效处理长文档，提高分类准确率", "具体的应用效果和性能提升"),
    9: ("生成连贯且长文本，提高生成质量",),
    10: ("长序列任务", "显著优势", "面临一定的挑战", "合理的改进和优化", "经验和教训"),
}


@pytest.mark.parametrize("lecture", list(CLAIMS))
def test_a_lecture_names_each_claim_that_the_outline_makes_in_its_chapter(lecture):
    text = "\n".join(cell.source for cell in cells_of(lecture)).replace("**", "")
    assert [claim for claim in CLAIMS[lecture] if claim not in text] == []
