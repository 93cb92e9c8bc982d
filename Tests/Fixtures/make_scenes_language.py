"""Makes the fixtures of the texts and the official formats of scenes.

Versions: Python 3.11, pycocotools 2.0.10, numpy 2.4.6 (only to read the COCO file back).
Run:      python3 Tests/Fixtures/make_scenes_language.py

Writes under Tests/Fixtures/scenes:
  instances.json, captions.json, questions.json, annotations.json
      tiny files in the official formats, laid out by hand with what real ones hold: extra keys,
      gaps in the ids, crowds, outlines of three kinds, escapes
  instances_expected.json   what pycocotools reads from the first
  answers.json              answers with their cleaned form, and accuracies, by the rules of the
                            VQA evaluation written out here with regular expressions
"""

import json
import random
import re
from pathlib import Path

import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO

FOLDER = Path(__file__).parent / "scenes"


def instances():
    bits = np.zeros((40, 60), dtype=np.uint8, order="F")
    bits[10:20, 30:50] = 1
    compressed = mask.encode(bits)
    # Lengths of runs down the columns, zeros first.
    flat = bits.flatten(order="F")
    runs, value = [0], 0
    for bit in flat:
        if bit != value:
            runs.append(0)
            value = bit
        runs[-1] += 1
    return {
        "info": {"description": "made by hand", "version": "1.0", "year": 2024,
                 "date_created": "2024/01/01", "nested": [{"deep": [1, -2.5e-3, None, True]}]},
        "licenses": [{"url": "http://example.org/", "id": 1, "name": "None \"at all\""}],
        "images": [
            {"license": 1, "file_name": "caf\u00e9 \u2603 \U0001F408.jpg",
             "coco_url": "http://example.org/1", "height": 40, "width": 60,
             "date_captured": "2013-11-14 17:02:52", "id": 397133},
            {"id": 7, "width": 60, "height": 40, "file_name": "a/b\\c\t.jpg"},
            {"id": 9, "width": 60, "height": 40, "file_name": "empty.jpg"},
        ],
        "annotations": [
            {"segmentation": [[10.5, 10, 20, 10, 20.25, 20.75], [1, 1, 5, 1, 5, 5, 1, 5]],
             "area": 103.25, "iscrowd": 0, "image_id": 397133, "bbox": [1, 1, 19.25, 19.75],
             "category_id": 44, "id": 82445},
            {"segmentation": {"counts": runs, "size": [40, 60]}, "area": 200, "iscrowd": 1,
             "image_id": 7, "bbox": [30, 10, 20, 10], "category_id": 1, "id": 900100000007},
            {"segmentation": {"counts": compressed["counts"].decode(), "size": [40, 60]},
             "area": 200.0, "iscrowd": 0, "image_id": 7, "bbox": [30.0, 10.0, 20.0, 10.0],
             "category_id": 90, "id": 3, "attributes": {"x": {"y": []}}},
        ],
        "categories": [
            {"supercategory": "person", "id": 1, "name": "person"},
            {"supercategory": "kitchen", "id": 44, "name": "bottle"},
            {"supercategory": "indoor", "id": 90, "name": "toothbrush"},
        ],
    }


def expected(path):
    coco = COCO(str(path))
    found = []
    for annotation in coco.loadAnns(coco.getAnnIds()):
        found.append({
            "id": annotation["id"], "image": annotation["image_id"],
            "file": coco.loadImgs(annotation["image_id"])[0]["file_name"],
            "category": coco.loadCats(annotation["category_id"])[0]["name"],
            "supercategory": coco.loadCats(annotation["category_id"])[0]["supercategory"],
            "box": annotation["bbox"], "area": annotation["area"],
            "crowd": annotation["iscrowd"],
            "maskArea": int(coco.annToMask(annotation).sum()),
        })
    return {"annotations": found, "images": sorted(coco.getImgIds()),
            "categories": sorted(coco.getCatIds())}


CAPTIONS = {
    "info": {}, "images": [{"id": 5, "file_name": "5.jpg", "width": 3, "height": 2}],
    "licenses": [],
    "annotations": [
        {"image_id": 5, "id": 38, "caption": "A cat says \"hi\"\n"},
        {"image_id": 5, "id": 41, "caption": "na\u00efve \u2014 \U0001F408\U0001F3FD/x\\"},
    ],
}

QUESTIONS = {
    "info": {"description": "x"}, "task_type": "Open-Ended", "data_type": "mscoco",
    "license": {"url": "u"}, "data_subtype": "val2014",
    "questions": [
        {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000},
        {"image_id": 262148, "question": "What's \"on\" it?", "question_id": 262148001},
    ],
}

ANNOTATIONS = {
    "info": {}, "license": {}, "data_subtype": "val2014", "data_type": "mscoco",
    "annotations": [
        {"question_type": "none of the above", "multiple_choice_answer": "down",
         "answers": [{"answer": a, "answer_confidence": c, "answer_id": i + 1} for i, (a, c) in
                     enumerate([("down", "yes")] * 6 + [("at table", "maybe"), ("skateboard", "no"),
                                                       ("down", "yes"), ("table", "yes")])],
         "image_id": 262148, "answer_type": "other", "question_id": 262148000},
        {"question_type": "what", "multiple_choice_answer": "2", "image_id": 262148,
         "answers": [{"answer": "2", "answer_confidence": "yes", "answer_id": i + 1}
                     for i in range(10)],
         "answer_type": "number", "question_id": 262148001},
    ],
}

# The rules of the VQA evaluation.
NUMBERS = dict(none="0", zero="0", one="1", two="2", three="3", four="4", five="5", six="6",
               seven="7", eight="8", nine="9", ten="10")
APOSTROPHES = {"dont": "don't", "isnt": "isn't", "cant": "can't", "whats": "what's",
               "youre": "you're", "oclock": "o'clock", "maam": "ma'am", "yall": "y'all"}
MARKS = ';/[]"{}()=+\\_-><@`,?!'


def cleaned(answer):
    answer = answer.replace("\n", " ").replace("\t", " ").strip()
    result = answer
    for mark in MARKS:
        if f"{mark} " in answer or f" {mark}" in answer or re.search(r"\d,\d", answer):
            result = result.replace(mark, "")
        else:
            result = result.replace(mark, " ")
    result = re.sub(r"\.(?!\d)", "", result)
    words = [NUMBERS.get(word, word) for word in result.lower().split()]
    words = [word for word in words if word not in ("a", "an", "the")]
    return " ".join(APOSTROPHES.get(word, word) for word in words)


def accuracy(answer, humans):
    """The mean over the humans of min(1, others that agree / 3)."""
    total = 0.0
    for left_out in range(len(humans)):
        others = humans[:left_out] + humans[left_out + 1:]
        agree = sum(cleaned(other) == cleaned(answer) for other in others)
        total += min(1.0, agree / 3.0)
    return total / len(humans)


ANSWERS = [
    "Yes", " yes. ", "The cat", "a cat, a dog", "two", "Ten", "none", "T-shirt", "t shirt",
    "10,000", "10, 000", "3.5", "3. 5", "mr. smith", "dont", "Isnt it", "what?", "x-ray machine",
    "black & white", "at the table", "\"stop\"", "it's red", "red/blue", "red / blue", "the",
    "an hour", "one or two", "jack-o'-lantern", "half_full", "up\nand\tdown", "2!", "youre here",
    "8 oclock", "yall", "@home", "a-b -c", "(left)", "left (mostly)", "cant", "", "  ", "5.", ".5",
    "e.g. this", "MAAM", "zero", "whats up", "e-mail me", "1,2,3", "a, b", "a,b", "don't know",
]


def main():
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "instances.json").write_text(json.dumps(instances(), indent=1))
    (FOLDER / "instances_expected.json").write_text(
        json.dumps(expected(FOLDER / "instances.json")))
    (FOLDER / "captions.json").write_text(json.dumps(CAPTIONS))
    (FOLDER / "questions.json").write_text(json.dumps(QUESTIONS))
    (FOLDER / "annotations.json").write_text(json.dumps(ANNOTATIONS, ensure_ascii=False))
    rng = random.Random(5)
    scored = []
    for _ in range(40):
        choices = rng.sample(ANSWERS, 3)
        humans = [rng.choice(choices) for _ in range(10)]
        answer = rng.choice(choices)
        scored.append({"answer": answer, "humans": humans, "accuracy": accuracy(answer, humans)})
    (FOLDER / "answers.json").write_text(json.dumps({
        "cleaned": [[answer, cleaned(answer)] for answer in ANSWERS], "scored": scored}))


if __name__ == "__main__":
    main()
