"""What people type: harmless words in eleven languages, and templates with slots.

A template is a fixed run of words with three slots that change from use to use. Its tag says what the text *stands for*
("[PHISH-TEMPLATE 3] ..."): nothing here is a working lure, exploit or instruction. Ordinary people use templates too (a
viral prompt, their employer's, an assignment), so sharing one proves little by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from toolkit.sources.samples.chance import Ints, Rng, mint_ids, open_stream, pick_strings, zipf_weights
from toolkit.sources.samples.internet import COUNTRY_WEIGHTS, TONGUES
from toolkit.sources.samples.plan import Plan

VIRAL_TEMPLATES = 20
VIRAL_SHARE = 0.18
LANGUAGES = ["en", "es", "de", "fr", "pt", "tr", "ru", "id", "zh", "ja", "ar"]
_OPENERS = {
    "en": ["Help me with", "Please write", "Can you explain", "Summarise", "Make a list of", "Rewrite", "Compare"],
    "es": ["Ayúdame con", "Escribe por favor", "Explica", "Resume", "Haz una lista de", "Compara"],
    "de": ["Hilf mir bei", "Bitte schreibe", "Erkläre", "Fasse zusammen:", "Erstelle eine Liste von", "Vergleiche"],
    "fr": ["Aide-moi avec", "Écris", "Explique", "Résume", "Fais une liste de", "Compare"],
    "pt": ["Ajude-me com", "Escreva", "Explique", "Resuma", "Faça uma lista de", "Compare"],
    "tr": ["Bana yardım et:", "Lütfen yaz:", "Açıkla:", "Özetle:", "Listele:", "Karşılaştır:"],
    "ru": ["Помоги с", "Напиши", "Объясни", "Обобщи", "Составь список:", "Сравни"],
    "id": ["Bantu saya dengan", "Tolong tulis", "Jelaskan", "Ringkas", "Buat daftar", "Bandingkan"],
    "zh": ["请帮我写", "请解释", "总结", "列出", "比较"],
    "ja": ["手伝ってください:", "説明してください:", "要約:", "一覧:", "比較:"],
    "ar": ["ساعدني في", "اكتب", "اشرح", "لخص", "قارن بين"],
}
_REAL_WORDS = {
    "en": "garden recipe letter budget holiday kitchen music report history lesson river story market engine window",
    "es": "jardín receta carta presupuesto viaje cocina música informe historia lección río cuento mercado ventana",
    "de": "Garten Rezept Brief Haushalt Urlaub Küche Musik Bericht Geschichte Stunde Fluss Markt Fenster",
    "fr": "jardin recette lettre budget voyage cuisine musique rapport histoire leçon rivière marché fenêtre",
    "pt": "jardim receita carta orçamento viagem cozinha música relatório história lição rio mercado janela",
    "tr": "bahçe tarif mektup bütçe tatil mutfak müzik rapor tarih ders nehir hikaye pazar pencere",
    "ru": "сад рецепт письмо бюджет отпуск кухня музыка отчет история урок река рассказ рынок окно",
    "id": "taman resep surat anggaran liburan dapur musik laporan sejarah pelajaran sungai cerita pasar jendela",
    "zh": "花园 食谱 信件 预算 假期 厨房 音乐 报告 历史 课程 河流 故事 市场 窗户",
    "ja": "庭 料理 手紙 予算 休日 台所 音楽 報告 歴史 授業 川 物語 市場 窓",
    "ar": "حديقة وصفة رسالة ميزانية عطلة مطبخ موسيقى تقرير تاريخ درس نهر قصة سوق نافذة",
}
_SYLLABLES = {
    "latin": "ba ko ri tu men sal dor vi lan pe gra mo ser ti nu fel",
    "ru": "ба ко ри ту мен сал дор ви лан пе гра мо",
    "zh": "山 水 木 风 光 声 色 形 意 心 天 地 人 书 画 茶",
    "ja": "かな さと みず ほし そら ゆき はな つき",
    "ar": "با كو ري تو من سال دور في لان بي",
}
_SLOTS = [
    pl.Series(
        [f"{a}{b}.example" for a in ("north", "blue", "quick", "stone", "river") for b in ("mail", "shop", "desk")]
    ),
    pl.Series(
        ["Ana", "Ben", "Chi", "Dara", "Eli", "Fay", "Gus", "Hana", "Ivo", "Jun", "Kai", "Lea", "Mio", "Noa", "Oz"]
    ),
    pl.Series([str(number) for number in range(11, 1000, 7)]),
]


@cache
def vocabulary(language: str) -> pl.Series:
    """A few hundred words of a language: everyday ones, then invented ones, so that two free texts rarely agree."""
    syllables = _SYLLABLES.get(language, _SYLLABLES["latin"]).split()
    invented = [a + b for a in syllables for b in syllables if a != b]
    if language not in _SYLLABLES:  # three syllables where words are long
        invented += [a + b + a for a in syllables for b in syllables if a != b]
    return pl.Series(_REAL_WORDS[language].split() * 8 + invented, dtype=pl.String)


@dataclass(frozen=True)
class Template:
    """Five runs of words with slots between them."""

    owner: str
    benign: bool
    lang: str
    head: str
    runs: tuple[str, str, str]


@dataclass(frozen=True)
class Catalogue:
    """Every template of a world; ``of(owner)`` gives an owner's places in it."""

    templates: tuple[Template, ...]
    ids: pl.Series

    def of(self, owner: str) -> Ints:
        """Places of the templates that belong to this owner."""
        return np.array([i for i, t in enumerate(self.templates) if t.owner == owner], dtype=np.int64)


def build_catalogue(plan: Plan, seed: int) -> Catalogue:
    """Write the templates of a world: rings', employers', viral ones.

    Examples
    --------
    >>> from toolkit.sources.samples.plan import TINY
    >>> book = build_catalogue(TINY, 0)
    >>> len(book.of("R1")), book.templates[book.of("R3")[0]].head.split()[0]
    (3, '[PHISH-TEMPLATE')
    """
    wanted: list[tuple[str, str, bool, int, list[str]]] = [
        ("viral", "POPULAR", True, VIRAL_TEMPLATES, ["en", "en", "en", "es", "zh", "de"]),
        ("lab", "ASSIGNMENT", True, 1, ["en"]),
        ("hackathon", "STARTER", True, 2, ["en"]),
        ("agency", "CAMPAIGN", True, 2, ["en"]),
    ]
    wanted += [(f"org/{i}", "WORK", True, 2, ["en", TONGUES[i % 8]]) for i in range(plan.orgs)]
    for copy in range(plan.copies):
        wanted += _ring_templates(plan, "" if copy == 0 else f".{copy + 1}")
    rng = open_stream(seed, "templates")
    numbers: dict[str, int] = {}
    templates = []
    for owner, tag, benign, count, languages in wanted:
        for k in range(count):
            numbers[tag] = numbers.get(tag, 0) + 1
            language = languages[k % len(languages)]
            words = vocabulary(language).gather(rng.integers(0, len(vocabulary(language)), 13)).to_list()
            opener = _OPENERS[language][int(rng.integers(0, len(_OPENERS[language])))]
            runs = (" ".join(words[:5]), " ".join(words[5:9]), " ".join(words[9:]))
            templates.append(Template(owner, benign, language, f"[{tag}-TEMPLATE {numbers[tag]}] {opener}", runs))
    return Catalogue(tuple(templates), mint_ids(open_stream(seed, "templates", "ids"), "tpl", len(templates), 9))


def _ring_templates(plan: Plan, suffix: str) -> list[tuple[str, str, bool, int, list[str]]]:
    rings = [
        ("R1", "PRODUCT", False, 3, ["en"]),
        ("R2", "PRODUCT", False, 6, ["en", "en", "es"]),
        ("R3", "PHISH", False, 8, ["en", "de", "fr", "en"]),
        ("R4", "PRODUCT", False, 2, ["en"]),
        ("R5", "BULK", False, 3, ["en"]),
        ("R6", "PRODUCT", False, 2, ["en"]),
        ("R8", "EXERCISE", False, plan.r8_templates, ["en"]),
        ("R9", "OPINION", False, 10, ["en", "es", "fr", "ar", "ru"]),
        ("R11", "JAILBREAK", False, 1, ["en"]),
    ]
    rings += [(f"R7_{k + 1:02d}", "PHISH", False, 1, [LANGUAGES[k % 8]]) for k in range(len(plan.r7))]
    return [(owner + suffix, tag, benign, n, languages) for owner, tag, benign, n, languages in rings]


def draw_viral(rng: Rng, catalogue: Catalogue, n: int, share: float = VIRAL_SHARE) -> Ints:
    """For each row a viral template with probability ``share``, else -1 (free text)."""
    places = catalogue.of("viral")
    drawn = places[rng.choice(len(places), n, p=zipf_weights(len(places)))]
    return np.where(rng.random(n) < share, drawn, -1)


def draw_languages(rng: Rng, n: int) -> pl.Series:
    """A language for each row, as the world's people speak them."""
    return pick_strings(TONGUES, rng.choice(len(TONGUES), n, p=COUNTRY_WEIGHTS))


def write_texts(rng: Rng, catalogue: Catalogue, template: Ints, lang: pl.Series) -> pl.Series:
    """The text of each row: its template with slots filled in, or free words of its language.

    Examples
    --------
    >>> from toolkit.sources.samples.plan import TINY
    >>> book = build_catalogue(TINY, 0)
    >>> texts = write_texts(open_stream(0, "doc"), book, np.array([-1, 0]), pl.Series(["en", "en"]))
    >>> texts[1].startswith("[POPULAR-TEMPLATE 1]")
    True
    """
    n = len(template)
    length = rng.integers(5, 12, n)
    filler = rng.integers(0, 2**31, (n, 11))
    texts = np.empty(n, dtype=object)
    spoken = lang.to_numpy()
    for language in LANGUAGES:
        mine = np.flatnonzero((template < 0) & (spoken == language))
        if len(mine):
            texts[mine] = _free_texts(language, length[mine], filler[mine])
    for place in np.unique(template[template >= 0]):
        mine = np.flatnonzero(template == place)
        texts[mine] = _filled_texts(catalogue.templates[place], filler[mine])
    return pl.Series(texts.tolist(), dtype=pl.String)


def _free_texts(language: str, length: Ints, filler: Ints) -> list[str]:
    words, openers = vocabulary(language), pl.Series(_OPENERS[language])
    columns = [openers.gather(filler[:, 0] // 7 % len(openers)).alias("0")]
    for k in range(filler.shape[1]):
        word = words.gather(filler[:, k] % len(words))
        columns.append(
            pl.select(pl.when(pl.Series(k < length)).then(word).otherwise(None).alias(str(k + 1))).to_series()
        )
    frame = pl.DataFrame(columns)
    text: list[str] = frame.select(pl.concat_str(frame.columns, separator=" ", ignore_nulls=True)).to_series().to_list()
    return text


def _filled_texts(template: Template, filler: Ints) -> list[str]:
    slots = [slot.gather(filler[:, k] % len(slot)).alias(str(k)) for k, slot in enumerate(_SLOTS)]
    if template.owner.startswith(("lab", "R11")):  # passed on word for word: the slots stay as they were
        slots = [pl.Series(str(k), [slot[0]] * len(filler)) for k, slot in enumerate(_SLOTS)]
    a, b, c = template.runs
    parts = [pl.lit(f"{template.head} {a}"), "0", pl.lit(b), "1", pl.lit(c), "2"]
    text: list[str] = pl.DataFrame(slots).select(pl.concat_str(parts, separator=" ")).to_series().to_list()
    return text
