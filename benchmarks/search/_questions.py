"""What customers ask and say in `service.py`: phrasings to learn from, to choose on, and to be asked."""

from __future__ import annotations

from typing import Any

import numpy as np

HOW = {
    "en": {
        "this": (["{ask}", "{ask} I have added a photo."], ["A question about the thing in my picture: {ask}"],
                 ["See attached. {ask}"]),
        "type": (["About your {type}: {ask}", "I am looking at a {type}. {ask}"], ["This {type} here, {ask}"],
                 ["Hello, it is the {type} I mean. {ask}"]),
        "color": (["The {color} {type}: {ask}", "I want the {type} in {color}. {ask}"], ["{type}, {color}. {ask}"],
                  ["Hi! You sell a {type} ({color}). {ask}"]),
        "words": (["Your {type} - \"{words}\" - {ask}", "It says \"{words}\". {ask}"],
                  ["I read \"{words}\" about the {type}. {ask}"], ["The {type} where it says: {words}. {ask}"]),
    },
    "zh": {
        "this": (["{ask}", "照片在上面，{ask}"], ["看一下我发的图，{ask}"], ["见附图。{ask}"]),
        "type": (["你们的{type}，{ask}", "我在看一款{type}。{ask}"], ["就是这款{type}，{ask}"],
                 ["您好，我说的是{type}，{ask}"]),
        "color": (["{color}的{type}，{ask}", "我想要{color}的{type}。{ask}"], ["{type}，{color}色，{ask}"],
                  ["你好！你们有一款{type}（{color}），{ask}"]),
        "words": (["写着“{words}”的{type}，{ask}", "上面写“{words}”。{ask}"], ["我看到{type}写着“{words}”，{ask}"],
                  ["那款{type}，说明是：{words}。{ask}"]),
    },
}  # fmt: skip
"""By language and what is said of the product: phrasings to learn from, to choose on, to be asked."""

ASK = {
    "en": {
        "name": (
            ["What is it called?", "Which product is this?", "What is the name of it?", "Do you know what this is?",
             "I need the product name.", "Can you tell me which model that is?", "What do you call this thing?",
             "Please identify this article for me."],
            ["What name does it go by?", "How is this product named?", "Tell me what it is called in your shop."],
            ["Under what name can I find it?", "Which item am I looking at?", "I forgot the name, what was it?"],
        ),
        "color": (
            ["What color is it?", "Which color does it have?", "Is it white or what color?", "What are its colors?",
             "Is that more of a grey or a beige?", "Which colour was this one?", "What hue is it painted in?",
             "Does it look black or brown?"],
            ["In what shade does it come?", "Tell me the color, please.", "What tone is it in real life?"],
            ["How would you call its color?", "I can't see it well: what colour?", "Which finish or shade is it?"],
        ),
        "size": (
            ["How big is it?", "What size is it?", "How wide and how tall is it?", "Will it fit? I need the size.",
             "What is the diameter or the length?", "I have to know how high it is.", "Is it larger than 50 cm?",
             "Please send me width, depth and height."],
            ["What are its measurements?", "How many centimeters is it?", "How much room does it take?"],
            ["Could you give me the dimensions?", "How large is that?", "What are the length and the width?"],
        ),
        "description": (
            ["What is special about it?", "Can you describe it?", "What is it good for?", "Give me some details.",
             "What are the advantages?", "Please explain this product to me.", "How is it used?",
             "I want to know what makes it different."],
            ["Tell me more about it.", "Any more information on this?", "Why should I buy it?"],
            ["What should I know about it?", "What can it do?", "I would like to read more about it."],
        ),
    },
    "zh": {
        "name": (
            ["它叫什么名字？", "这是哪一款产品？", "请问名称是什么？", "这个产品叫什么？", "我需要产品的名字。",
             "你知道这是什么吗？", "这是哪个型号？", "请帮我认一下这件东西。"],
            ["它的品名是什么？", "这是什么产品？", "告诉我它叫啥。"],
            ["我搜什么名称能找到它？", "名字忘了，是哪款来着？", "这件商品怎么称呼？"],
        ),
        "color": (
            ["它是什么颜色？", "颜色是哪种？", "是白色的还是别的颜色？", "有什么颜色？", "偏灰还是偏米色？",
             "这个是黑的还是棕的？", "颜色深还是浅？", "是什么色的漆？"],
            ["它是哪个色的？", "请告诉我颜色。", "实物是什么色调？"],
            ["请问颜色怎么称呼？", "图上看不清，是啥颜色？", "它的配色是？"],
        ),
        "size": (
            ["它有多大？", "尺寸是多少？", "有多宽多高？", "放得下吗？我要知道尺寸。", "直径或者长度是多少？",
             "有没有五十厘米？", "我想知道它多高。", "请发我宽、深、高。"],
            ["长宽各是多少？", "是多少厘米的？", "要占多大地方？"],
            ["麻烦给我具体的规格大小。", "它大不大，多长？", "高度和宽度是多少？"],
        ),
        "description": (
            ["它有什么特点？", "能介绍一下吗？", "它有什么用？", "请给我一些细节。", "优点是什么？",
             "请给我讲讲这个产品。", "怎么用它？", "它和别的有什么不同？"],
            ["详细说说这个产品。", "还有更多信息吗？", "为什么要买它？"],
            ["关于它我应该知道什么？", "它能做什么？", "我想多了解一下它。"],
        ),
    },
}  # fmt: skip
"""What is asked for, in as many phrasings."""


def dealt(phrasings: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The phrasings with those that were not learned dealt anew to choosing and asking, as many as before."""
    out: dict[str, Any] = {}
    for language, cells in phrasings.items():
        out[language] = {}
        for cell, (learned, *held) in cells.items():
            mixed = rng.permutation(held[0] + held[1]).tolist()
            out[language][cell] = (learned, mixed[: len(held[0])], mixed[len(held[0]) :])
    return out
