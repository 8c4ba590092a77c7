"""Writes training data that looks like people's: sentences of real words in many languages, code, calls of tools."""

# ruff: noqa: RUF001, SIM905  # other alphabets; lists of words are read more easily as text

import json
import random
from itertools import accumulate
from pathlib import Path
from typing import Any

_ENGLISH = """the of and to a in that is was for it with as his on be at by had not are but from or have an they
which one you were her all she there would their we him been has when who will more no if out so said what up its
about into than them can only other new some could time these two may then do first any my now such like our over
man me even most made after also did many before must through back years where much your way well down should
because each just those people how too little state good very make world still own see men work long get here
between both life being under never day same another know while last might us great old year off come since against
go came right used take three himself few house use during without again place around however home small found
thought went say part once general high upon school every does got united left number course war until always away
something fact water though less public put think almost hand enough far took head yet government system better set
told nothing night end why called eyes find going look asked later point knew next city program business give group
toward young days let room word side social given present several order national possible rather second face per
among form important often things looked early white case large big need four within felt along children saw best
church ever least power development light thing seemed family interest want members mind area others country turned
although service done open god problem certain kind different began thus door help means sense whole matter customer
support account password invoice payment refund order shipping delivery tracking subscription upgrade feature
request response server database network latency throughput deployment container configuration environment variable
function parameter returns error exception handling retry timeout connection authentication permission token request
header payload schema migration index query table column record transaction rollback commit branch merge conflict
release version dependency package library framework interface implementation abstraction performance memory storage
bandwidth security encryption certificate vulnerability patch incident report analysis summary recommendation
experiment hypothesis measurement evidence conclusion researchers published findings suggest significant
relationship temperature pressure energy molecule protein cell membrane tissue patient treatment symptoms diagnosis
physician hospital clinical trial medication dosage effects insurance coverage premium deductible liability contract
agreement clause obligation party jurisdiction court ruling appeal evidence testimony defendant plaintiff settlement
market economy inflation interest rate investment portfolio dividend shareholder revenue profit quarter forecast
budget expenditure recipe flour butter sugar oven minutes stir mixture bowl garlic onion pepper salt tablespoon
vegetables chicken broth simmer mountain river valley forest coastline island harbour village bridge railway station
museum gallery painting sculpture exhibition composer orchestra symphony melody rhythm novel author chapter
character narrative metaphor poetry stanza history century empire revolution treaty parliament election candidate
campaign policy legislation reform education curriculum teacher student lecture assignment examination scholarship
engineer bridge concrete steel turbine generator voltage circuit sensor algorithm statistics probability
distribution variance regression classification training dataset example label model weights gradient learning
evaluation baseline accuracy explanation understanding comparison carefully immediately probably especially
particularly unfortunately generally approximately currently previously eventually""".split()
_OTHERS = {
    "de": """der die das und ist nicht mit für auf eine von dem sich auch werden bei nach über können müssen
    zwischen während Rechnung Bestellung Lieferung Kunde Anfrage Vertrag Kündigung Zahlung Konto Passwort Fehler
    Datenbank Verbindung Änderung größer schließlich natürlich möglich Straße Gebäude Universität Wissenschaft
    Entwicklung Gesellschaft Beispiel Lösung""",
    "fr": """le la les des une est dans pour qui que avec sur pas plus par ce cette être avoir fait comme mais
    nous vous commande livraison facture remboursement compte problème réponse système données modèle règlement
    société développement très après première également différents français été où déjà à côté élève théâtre
    hôpital forêt""",
    "es": """el la los de que en y un por con no una su para es al lo como más pero sus le ya este sí porque esta
    entre cuando pedido envío factura devolución cuenta contraseña problema respuesta sistema información año
    niño después también corazón país ciudad educación investigación señor mañana canción""",
    "ru": """и в не на что он с как это по но они мы из у за так же от все было бы для только заказ доставка
    оплата счёт возврат пароль ошибка система данные вопрос ответ решение пример модель обучение компания
    договор клиент поддержка завтра человек время работа жизнь город страна история развитие""",
    "zh": """的 是 在 了 我们 可以 没有 问题 系统 数据 用户 订单 发货 退款 账户 密码 错误 模型 训练 公司 客户
    服务 时间 工作 学习 中国 城市 经济 发展 研究 科学 技术 因为 所以 但是 如果 已经 非常 重要 方法 解决
    请求 联系 支持 今天 明天 学校 医院""",
    "ja": """です ます した こと これ それ ため から まで について お客様 注文 配送 返金 請求書 パスワード エラー
    システム データ モデル 学習 会社 質問 回答 可能 必要 確認 時間 仕事 研究 開発 技術 東京 日本 世界
    学校 病院 ありがとうございます""",
    "ar": """في من على إلى أن هذا هذه التي الذي كان مع عن لا ما هو هي كل بعد قبل عند الطلب الشحن الفاتورة الحساب
    كلمة المرور خطأ النظام البيانات النموذج التدريب الشركة العميل الخدمة الوقت العمل المدينة البلد التاريخ
    التطوير""",
    "hi": """और का की के है में से को पर यह वह नहीं भी हैं था एक लिए ऑर्डर भुगतान खाता पासवर्ड त्रुटि प्रणाली
    डेटा मॉडल प्रशिक्षण कंपनी ग्राहक सेवा समय काम शहर देश इतिहास विकास शिक्षा""",
}
_NAMES = """Anna Oliver Fatima Chen Miguel Ingrid Rahul Sofia Dmitri Aisha Tomás Yuki Hannah Kwame Lucía Pavel Noor Emma
Johansson Müller O'Brien Rossi Nakamura Okafor Silva Petrov Dubois Schneider Kowalski Haddad Andersen
    Fernández""".split()
_SYSTEM = ("You are a helpful assistant.", "You answer customers of a shop, briefly and kindly.",
           "You are a careful programmer who explains code.", "Translate what the user writes.",
           "You are a tutor. Lead the pupil to the answer; do not give it away.")
_TYPES = ("int", "str", "float", "bool", "list[str]", "dict[str, Any]")
_PLACES = {"order_id": "string", "city": "string", "date": "string", "limit": "integer", "unit": "string"}


class Writer:
    """Everything it writes follows from `seed`; no two paragraphs are alike."""

    def __init__(self, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        # words of a language are about as frequent as the inverse of their rank
        self._words = {"en": _ENGLISH} | {name: words.split() for name, words in _OTHERS.items()}
        self._weights = {name: list(accumulate(1 / (rank + 6) for rank in range(len(words))))
                         for name, words in self._words.items()}

    def line(self) -> str:
        """One chat, as its line of JSON; about half of them have \\u escapes for what is not ASCII."""
        chance = self.chance
        kind = chance.random()
        if kind < 0.07:
            value = self._with_tools()
        else:
            language = "en" if kind < 0.75 else chance.choice([*_OTHERS])
            turns = [said for _ in range(chance.choice((1, 1, 1, 2, 2, 3)))
                     for said in (_said("user", self.paragraph(language, chance.randint(1, 4))),
                                  _said("assistant", self.answer(language)))]
            instructed = [_said("system", chance.choice(_SYSTEM))] if chance.random() < 0.8 else []
            value = {"messages": [*instructed, *turns]}
        return json.dumps(value, ensure_ascii=chance.random() < 0.5)

    def answer(self, language: str) -> str:
        parts = [self.paragraph(language, self.chance.randint(1, 6)) for _ in range(self.chance.choice((1, 1, 2, 3)))]
        style = self.chance.random()
        if style < 0.08:
            parts.insert(1, self.code())
        elif style < 0.18:
            parts.append("\n".join(f"{number}. {self.sentence(language)}" for number in range(1, 5)))
        return "\n\n".join(parts)

    def paragraph(self, language: str, sentences: int) -> str:
        return " ".join(self.sentence(language) for _ in range(sentences))

    def sentence(self, language: str) -> str:
        chance = self.chance
        words = chance.choices(self._words[language], cum_weights=self._weights[language], k=chance.randint(5, 22))
        if chance.random() < 0.3:
            words[len(words) // 2] = chance.choice((chance.choice(_NAMES), f"{chance.randint(1, 9999):,}",
                                                    f"{chance.randint(1900, 2030)}", f"“{words[0]}”", f"({words[-1]})"))
        if len(words) > 11 and language not in {"zh", "ja"}:
            words[5] += chance.choice((",", ",", ";", " –"))
        is_dense = language in {"zh", "ja"}
        text = ("" if is_dense else " ").join(words)
        return text[0].upper() + text[1:] + chance.choice(("。" if is_dense else ".", "?", ".", ".", "!"))

    def code(self) -> str:
        name, *others = self.chance.choices(_ENGLISH[150:], k=6)
        arguments = ", ".join(f"{each}: {self.chance.choice(_TYPES)}" for each in others[:3])
        return (f"```python\ndef {name}_{others[0]}({arguments}) -> {self.chance.choice(_TYPES)}:\n"
                f'    """{self.sentence("en")}"""\n    {others[3]} = []\n'
                f"    for index, {others[4]} in enumerate({others[0]}):\n        if {others[4]} is not None and index %"
                f" {self.chance.randint(2, 99)} == 0:\n            {others[3]}.append({others[4]} * "
                f"{self.chance.random():.3f})\n"
                f"    return {others[3]}\n```")

    def _with_tools(self) -> dict[str, Any]:
        chance = self.chance
        tools = [{"type": "function", "function": {
            "name": name, "description": description, "parameters": {
                "type": "object", "properties": {key: {"type": kind, "description": f"The {key} to use."}
                                                 for key, kind in _PLACES.items()}, "required": ["order_id"]}}}
                 for name, description in (("find_order", "Finds an order."), ("send_parcel", "Sends a parcel again."))]
        number = f"call_{chance.randrange(16**12):012x}"
        arguments = json.dumps({"order_id": f"{chance.randrange(10**8)}", "city": chance.choice(_NAMES)})
        return {"messages": [
            _said("system", chance.choice(_SYSTEM)), _said("user", self.paragraph("en", 2)),
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": number, "type": "function", "function": {"name": "find_order", "arguments": arguments}}]},
            {"role": "tool", "tool_call_id": number, "content": json.dumps({"status": self.sentence("en")})},
            _said("assistant", self.answer("en"))], "tools": tools}


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def write_chats(path: Path, size: int, seed: int = 1) -> int:
    """A file of at least `size` bytes; how many chats it holds."""
    writer, lines, written = Writer(seed), 0, 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            batch = [writer.line() for _ in range(500)]
            text = "\n".join(batch) + "\n"
            file.write(text)
            written += len(text.encode())
            lines += len(batch)
    return lines
