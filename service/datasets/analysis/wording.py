# ruff: noqa: RUF001 (other languages have their own quotation marks and letters)
"""Phrases that a model learns as a habit: refusals, and the boilerplate of other assistants, in several languages."""

from enum import Enum


class Habit(Enum):
    REFUSAL = "refusal"
    BOILERPLATE = "boilerplate"


_NOT = r"(?:can ?not|can(?:'|’)t|won(?:'|’)t|am unable to|am not able to|(?:'|’)m unable to|(?:'|’)m not able to)"
_DO = (r"(?:assist|help (?:you )?with|comply|fulfil|provide|create|generate|engage|write|do that|answer|continue"
       r"|support|offer)")
_REFUSALS = (
    r"(?i:\bi(?:'|’| a)?m (?:so |very )?sorry,? (?:but |however,? )?(?:i |as an ai))",
    rf"(?i:\b(?:sorry|apologi[sz]e)[^\n\x00]{{0,30}} i {_NOT})",
    rf"(?i:\bi ?{_NOT} (?:be able to )?{_DO})",
    r"(?i:\bi must (?:respectfully )?(?:decline|refuse))",
    r"(?i:\bit (?:is|would be) (?:not appropriate|inappropriate) for me to)",
    (r"(?i:tut mir leid,? (?:aber )?(?:ich kann|dabei|das kann))|(?i:\bich kann (?:dir|ihnen|das"
    r"|dabei)[^\n\x00]{0,20}nicht (?:helfen|weiterhelfen|beantworten))"),
    (r"(?i:je suis d(?:é|e)sol(?:é|e)e?,? (?:mais )?je ne peux)|(?i:\bje ne peux pas (?:vous|t'|répondre|fournir"
    r"|aider))"),
    r"(?i:lo siento,? (?:pero )?no puedo)|(?i:\bno puedo (?:ayudar|asistir|cumplir|proporcionar))",
    r"(?i:mi dispiace,? (?:ma )?non posso)|(?i:(?:sinto muito|desculpe),? (?:mas )?(?:eu )?n(?:ã|a)o posso)",
    r"(?i:het spijt me,? (?:maar )?ik kan)|(?i:przykro mi,? ale nie mog)",
    (r"(?:抱歉|对不起|很遗憾)(?:，|,)?(?:但)?我(?:无法|不能|没有办法)|"
     r"お(?:手伝い|答え)(?:することは)?できません|도와드릴 수 없습니다"),
    r"(?:Извините|извините|Простите|К сожалению),? (?:но )?я не могу",
)
_BOILERPLATE = (
    r"(?i:\bas an? (?:ai|artificial intelligence)\b)|(?i:\bas a (?:large )?language model)",
    (r"(?i:\bi(?:'|’| a)?m (?:just |only )?an? (?:ai\b|artificial intelligence|(?:large )?language model|virtual"
    r" assistant))"),
    (r"(?i:\bmy (?:knowledge cut|training data|last (?:knowledge )?update))|(?i:\bi (?:don(?:'|’)t|do not) have"
    r" (?:personal (?:opinions|experiences|feelings|beliefs)|real-time access|access to real-time))"),
    r"(?i:(?:trained|developed|created) by openai)|(?i:\bi(?:'|’| a)?m chatgpt)",
    (r"(?i:\bals (?:ein(?:e)? )?(?:ki\b|künstliche intelligenz|sprachmodell))|(?i:en tant qu(?:'|’)?e? ?(?:ia\b"
    r"|intelligence artificielle|assistant ia|modèle de langage))"),
    (r"(?i:\bcomo (?:una? )?(?:ia\b|inteligencia artificial|modelo de lenguaje|inteligência artificial|modelo de"
    r" linguagem))"),
    r"(?i:in quanto (?:ia\b|intelligenza artificiale|modello linguistico))|(?i:\bals (?:een )?(?:ai\b|taalmodel))",
    r"作为(?:一个|一款|一名)?(?:人工智能|AI|大?语言模型)|(?:AI|言語モデル|人工知能)として|AI 언어 모델로서",
    r"(?:Как|как) (?:искусственный интеллект|языковая модель|ИИ)",
)
OPENING = 240
"""Bytes at the start of an answer in which a refusal counts; later, it is quoted or concerns a detail."""
HABITS: tuple[Habit, ...] = (Habit.REFUSAL,) * len(_REFUSALS) + (Habit.BOILERPLATE,) * len(_BOILERPLATE)
TRIGGERS: tuple[bytes, ...] = tuple(expression.encode() for expression in (*_REFUSALS, *_BOILERPLATE))
