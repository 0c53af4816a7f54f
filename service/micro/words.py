"""What is said about a scene, in English and Chinese: the names, the questions' forms and the thoughts."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]
Kind = Literal["shape", "colour", "count", "position", "scene"]

LANGUAGES: tuple[Language, ...] = ("en", "zh")
KINDS: tuple[Kind, ...] = ("shape", "colour", "count", "position")  # What is promised; "scene" is extra.

NAMES: dict[Language, dict[str, str]] = {
    "en": {name: name for name in ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")}
    | {name: name for name in ("circle", "square", "triangle", "star", "cross")}
    | {name: name for name in ("top left", "top right", "bottom left", "bottom right", "middle")}
    | {name: name for name in ("left", "right", "above", "below", "top", "bottom")},
    "zh": {
        **{"red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色"},
        **{"blue": "蓝色", "purple": "紫色", "black": "黑色", "white": "白色"},
        **{"circle": "圆形", "square": "正方形", "triangle": "三角形", "star": "星形", "cross": "十字形"},
        **{"top left": "左上角", "top right": "右上角", "bottom left": "左下角", "bottom right": "右下角"},
        **{"middle": "中间", "left": "左边", "right": "右边", "above": "上面", "below": "下面"},
    },
}

PLURALS = {
    "circle": "circles",
    "square": "squares",
    "triangle": "triangles",
    "star": "stars",
    "cross": "crosses",
}

# By what the question tells: nothing (the picture has one thing), or the thing's shape, colour or place.
FORMS: dict[Language, dict[str, tuple[str, ...]]] = {
    "en": {
        "shape": (
            *("What shape is this?", "What shape is it?", "What shape do you see?", "Which shape do you see?"),
            *("What shape is in the picture?", "Which shape is this?", "Name the shape."),
        ),
        "shape by colour": (
            *("What shape is the {colour} one?", "What shape is {colour}?", "Which shape is {colour}?"),
            *("What is the shape of the {colour} one?", "What is the {colour} shape?"),
        ),
        "shape by place": (
            *("What shape is in the {place}?", "Which shape is in the {place}?", "What shape is at the {place}?"),
            "What is the shape in the {place}?",
        ),
        "colour": (
            *("What colour is this?", "What colour is it?", "What colour is the shape?", "Which colour is this?"),
            *("What colour do you see?", "Which colour do you see?", "Name the colour."),
        ),
        "colour by shape": (
            *("What colour is the {shape}?", "Which colour is the {shape}?", "What is the colour of the {shape}?"),
            "Name the colour of the {shape}.",
        ),
        "colour by place": (
            *("What colour is the shape in the {place}?", "Which colour is the shape in the {place}?"),
            *("What colour is the one in the {place}?", "What colour is the shape at the {place}?"),
        ),
        "count": (
            *("How many shapes are there?", "How many shapes do you see?", "How many shapes are in the picture?"),
            "Count the shapes.",
        ),
        "count by shape": (
            *("How many {shapes} are there?", "How many {shapes} do you see?", "How many {shapes} are in the picture?"),
            "Count the {shapes}.",
        ),
        "count by colour": (
            *("How many {colour} shapes are there?", "How many shapes are {colour}?", "How many are {colour}?"),
            *("How many {colour} shapes do you see?", "Count the {colour} shapes."),
        ),
        "place": (
            *("Where is the {thing}?", "Where do you see the {thing}?", "In which part of the picture is the {thing}?"),
            "Where in the picture is the {thing}?",
        ),
        "left or right": (
            *("Is the {thing} left or right of the {other}?", "Is the {thing} to the left or right of the {other}?"),
            "Is the {thing} to the left or to the right of the {other}?",
        ),
        "above or below": ("Is the {thing} above or below the {other}?", "Is the {thing} below or above the {other}?"),
        "scene": ("What do you see?", "Describe the picture.", "What is in the picture?", "Describe what you see."),
    },
    "zh": {
        "shape": (
            *("这是什么形状？", "它是什么形状？", "你看到什么形状？", "图中是什么形状？"),
            *("图片里是什么形状？", "这个图形是什么形状？"),
        ),
        "shape by colour": (
            *("{colour}的是什么形状？", "{colour}的图形是什么形状？", "哪个形状是{colour}的？"),
            "{colour}的那个是什么形状？",
        ),
        "shape by place": (
            *("{place}是什么形状？", "{place}的图形是什么形状？", "图片{place}是什么形状？"),
            "{place}的是什么形状？",
        ),
        "colour": (
            *("这是什么颜色？", "它是什么颜色？", "图形是什么颜色？", "你看到什么颜色？"),
            *("这个图形是什么颜色？", "它是什么颜色的？"),
        ),
        "colour by shape": ("{shape}是什么颜色？", "{shape}是什么颜色的？", "图中的{shape}是什么颜色？"),
        "colour by place": ("{place}的图形是什么颜色？", "{place}的是什么颜色？", "图片{place}的图形是什么颜色？"),
        "count": ("有几个图形？", "图中有几个图形？", "一共有几个图形？", "有多少个图形？", "图片里有多少个图形？"),
        "count by shape": ("有几个{shape}？", "图中有几个{shape}？", "有多少个{shape}？", "图片里有几个{shape}？"),
        "count by colour": (
            *("有几个{colour}的图形？", "图中有几个{colour}的图形？", "有多少个{colour}的图形？"),
            "有几个图形是{colour}的？",
        ),
        "place": ("{thing}在哪里？", "{thing}在图中的什么位置？", "{thing}在图片的哪里？", "{thing}在什么位置？"),
        "left or right": ("{thing}在{other}的左边还是右边？", "{thing}是在{other}的左边还是右边？"),
        "above or below": ("{thing}在{other}的上面还是下面？", "{thing}是在{other}的上面还是下面？"),
        "scene": ("你看到什么？", "你看到了什么？", "图中有什么？", "描述一下这张图片。", "图片里有什么？"),
    },
}

THOUGHTS: dict[Language, dict[Kind, str]] = {
    "en": {
        "shape": "The question is about a shape.",
        "colour": "The question is about a colour.",
        "count": "The question is how many.",
        "position": "The question is where.",
        "scene": "The question is what is in the picture.",
    },
    "zh": {
        "shape": "问题是什么形状。",
        "colour": "问题是什么颜色。",
        "count": "问题是有几个。",
        "position": "问题是在哪里。",
        "scene": "问题是图中有什么。",
    },
}

# Chinese has no spaces: these are the words that the tokenizer learns.
CHINESE = (
    *("这", "这个", "这张", "是", "什么", "形状", "颜色", "图形", "图中", "图片", "里", "有", "几个", "多少个", "一共"),
    *(
        "一个",
        "在",
        "哪里",
        "哪个",
        "那个",
        "的",
        "还是",
        "你",
        "看到",
        "了",
        "它",
        "位置",
        "描述",
        "一下",
        "问题",
        "请",
    ),
    *("回答", "简短", "关于", "有用的", "助手", "和", "、", "？", "。", "，", *NAMES["zh"].values()),
)

# What people and programs put around a question; it changes no answer.
SYSTEMS = (
    *("You are a helpful assistant.", "Answer the question about the picture.", "Be brief."),
    *("你是一个有用的助手。", "请回答关于图片的问题。"),
)
ASIDES: dict[Language, tuple[str, str]] = {
    "en": (" Answer briefly.", " Please answer."),
    "zh": ("请简短回答。", "请回答。"),
}
