"""Word forms: stems, numbers in words or digits, function words, negations and antonyms.

The lists were written for this project from general knowledge of English; in other languages words are not stemmed, and
numbers are recognised in digits only.
"""

from __future__ import annotations

import re

LONGEST_WORD = 64
"""Number of letters of a word that are compared."""

IRREGULAR = {
    form: base
    for base, forms in {
        "be": "am is are was were been being 's 're 'm isn't aren't wasn't weren't",
        "have": "has had having 've haven't hasn't hadn't",
        "do": "does did done doing don't doesn't didn't",
        "can": "could can't couldn't cannot",
        "will": "would won't wouldn't 'll",
        "go": "goes went gone going",
        "get": "got gotten getting",
        "make": "made making",
        "take": "took taken taking",
        "give": "gave given giving",
        "come": "came coming",
        "become": "became becoming",
        "begin": "began begun beginning",
        "write": "wrote written writing",
        "win": "won winning",
        "lose": "lost losing loss losses",
        "sell": "sold selling sale sales",
        "buy": "bought buying",
        "build": "built building",
        "leave": "left leaving",
        "lead": "led leading",
        "meet": "met meeting",
        "sing": "sang sung singing",
        "speak": "spoke spoken speaking",
        "tell": "told telling",
        "say": "said saying says",
        "see": "saw seen seeing",
        "know": "knew known knowing",
        "grow": "grew grown growing growth",
        "rise": "rose risen rising",
        "fall": "fell fallen falling",
        "hold": "held holding",
        "keep": "kept keeping",
        "find": "found finding",
        "found": "founded founding founder founders",
        "run": "ran running",
        "bring": "brought bringing",
        "think": "thought thinking",
        "teach": "taught teaching",
        "catch": "caught catching",
        "pay": "paid paying payment payments",
        "send": "sent sending",
        "spend": "spent spending",
        "choose": "chose chosen choosing choice",
        "die": "died dying dies death deaths dead",
        "drive": "drove driven driving",
        "eat": "ate eaten eating",
        "break": "broke broken breaking",
        "steal": "stole stolen stealing",
        "shoot": "shot shooting",
        "feel": "felt feeling",
        "stand": "stood standing",
        "understand": "understood understanding",
        "draw": "drew drawn drawing",
        "fly": "flew flown flying flight flights",
        "wear": "wore worn wearing",
        "bear": "bore born borne bearing birth",
        "man": "men",
        "woman": "women",
        "child": "children",
        "person": "people persons",
        "good": "better best",
        "bad": "worse worst",
        "many": "more most much",
        "few": "fewer fewest less least little",
    }.items()
    for form in forms.split()
}
"""Irregular forms by their base form."""

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
NUMBERS: dict[str, float] = {
    **{word: float(value) for value, word in enumerate(ONES)},
    **{word: 10.0 * value for value, word in enumerate(TENS, start=2)},
    **{word: float(value) for value, word in enumerate(ORDINALS) if word != "second"},
    "twice": 2.0,
    "once": 1.0,
    "dozen": 12.0,
    "half": 0.5,
    "couple": 2.0,
    "pair": 2.0,
    "double": 2.0,
    "triple": 3.0,
}
"""Numbers written in words; "one" is often a pronoun, so signals do not count it."""
MAGNITUDES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "hundreds": 1e2,
    "thousands": 1e3,
    "millions": 1e6,
    "billions": 1e9,
    "k": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "bn": 1e9,
    "b": 1e9,
}
"""Factor of the preceding number."""
NEGATIONS = frozenset(
    "not no never none nothing nobody neither nor without cannot hardly barely n't unable refuse refused refuses "
    "refusing deny denied denies denying fail failed fails failing lack lacks lacked lacking unlike nicht kein keine "
    "keinen nie pas jamais sans sin nunca no ningún senza mai não".split()
)
"""Words that deny."""
FILLERS = frozenset(
    "a an the this that these those any some all each every both such much many more most less very too so really quite "
    "also just even yet ever still already necessarily currently only be am is are was were been being has have had "
    "having do does did doing done can could will would shall should may might must ought ca wo i you he she it we they "
    "me him her us them my your his its our their to of in on at by for from with about as and or if than there here who "
    "which what when where how why s re ve ll d m isn aren wasn weren hasn haven hadn don didn doesn couldn wouldn "
    "shouldn mustn ain".split()
)
"""Words between a negation and the negated word."""

LIMITS = frozenset(
    "only except excluding limited solely merely unless exclusively but however despite instead although non".split()
)
"""Words that limit a statement; a correct summary rarely adds one."""
SMALL_TALK = frozenset(
    "think know sure love like really great favorite favourite fun agree right yes yeah yep well interesting cool amazing "
    "believe guess heard hear seen see ever hi hello thanks thank welcome oh wow haha lol sorry glad hope wonder maybe probably "
    "definitely exactly actually also just too so very lot lots thing things something anything everyone people good nice "
    "awesome bad best want would could should feel mean say way kind sort pretty much many some you your yours he she it "
    "they them his her its their this that these those there here what who which when where why how have has do does be is are "
    "was were been get got go going can will may might let try tell talk time don't didn't i i'm we us my me our true totally "
    "absolutely course enjoy never idea fan".split()
)
"""Conversational words, which state no fact."""

ENDS = frozenset("s m d re ve ll".split())
"""Rest after the apostrophe of “it's” and “they're”, which does not change the word before it."""
CLITICS = ENDS | frozenset(
    "t don didn doesn isn aren wasn weren hasn haven hadn couldn wouldn shouldn mustn ain".split()
)
"""Rest of “it's” and “don't” in texts that a tokenizer has split at apostrophes."""

OPPOSITES = tuple(
    tuple(frozenset(side.split()) for side in pair.split("|"))
    for pair in (
        "more greater higher larger bigger longer above over exceed exceeds exceeded most maximum|"
        "less fewer lower smaller shorter below under least minimum",
        "increase increases increased increasing rise rises rose risen rising grow grows grew grown growing growth gain gains "
        "gained up surge surged climb climbed soar soared improve improved improvement|"
        "decrease decreases decreased decreasing fall falls fell fallen falling decline declines declined declining drop "
        "drops dropped shrink shrank shrunk loss losses down plunge plunged slump slumped worsen worsened reduction",
        "before earlier prior previous previously preceding|after later following subsequent subsequently",
        "first|last final",
        "early|late",
        "always every all entire|never no none some partial",
        "win wins won winning victory beat beats defeated|lose loses lost losing defeat",
        "accept accepts accepted agree agrees agreed approve approved support supports supported|"
        "reject rejects rejected refuse refused disagree disagreed oppose opposes opposed deny denied decline declined",
        "start starts started begin begins began begun open opens opened launch launched|"
        "stop stops stopped end ends ended close closes closed finish finished cancel cancelled canceled",
        "allow allows allowed permit permitted legal|ban bans banned forbid forbidden prohibit prohibited illegal",
        "like likes liked love loves loved enjoy enjoys enjoyed|dislike dislikes disliked hate hates hated",
        "good great positive best better excellent|bad poor negative worst worse terrible",
        "north northern|south southern",
        "east eastern|west western",
        "buy buys bought purchase purchased acquire acquired|sell sells sold",
        "arrive arrives arrived enter enters entered join joined|leave leaves left depart departed exit exited",
        "male man men boy boys he his him father son brother husband|"
        "female woman women girl girls she her hers mother daughter sister wife",
        "include includes included including with|exclude excludes excluded excluding without",
        "easy easily simple|hard difficult complex complicated",
        "cheap cheaper inexpensive affordable|expensive costly",
        "fast faster quick quickly|slow slower slowly",
        "old older oldest|new newer newest young younger youngest",
        "strong stronger|weak weaker",
        "public|private",
        "major|minor",
        "alive living|dead died",
        "same similar|different",
        "possible able can|impossible unable cannot",
        "true|false",
        "present|absent",
        "hot warm hotter warmer|cold cool colder cooler",
        "happy glad pleased satisfied|unhappy sad upset dissatisfied",
        "success successful succeed succeeded successfully|failure unsuccessful fail failed unsuccessfully",
        "inside internal|outside external",
        "import imports|export exports",
        "maximum|minimum",
        "often frequently usually|rarely seldom hardly",
        "rich wealthy|poor",
        "empty|full",
        "guilty|innocent",
        "optional|mandatory required compulsory",
        "temporary|permanent",
        "ancient|modern",
        "domestic|foreign",
    )
)
"""Pairs of groups of antonyms."""


def stem(word: str) -> str:
    """Strip the endings of a lower-case word; words with equal stems are treated as the same.

    Examples
    --------
    >>> [stem(word) for word in ("parties", "running", "founded", "quickly", "was", "glass", "nation's")]
    ['parti', 'run', 'found', 'quick', 'be', 'glass', 'nation']
    """
    word = word[:LONGEST_WORD].replace("’", "'")
    if word in IRREGULAR:
        return IRREGULAR[word]
    if "'" in word:
        before, _, after = word.rpartition("'")
        word = before if before and after in ENDS else word
    if not word.isascii() or len(word) <= 3:
        return word
    return _bare(_plural(word))


def _plural(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _bare(word: str) -> str:
    for ending in ("ing", "edly", "ed", "ly", "er", "or", "ation", "ment"):
        if word.endswith(ending) and len(word) - len(ending) >= 4 - (ending in ("ing", "ed")):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word


def number(word: str) -> float | None:
    """Return the value of a number in digits or in words; None for other words.

    Examples
    --------
    >>> [number(word) for word in ("1,200", "3.5", "21st", "seventeen", "1990s", "cat", "10:30")]
    [1200.0, 3.5, 21.0, 17.0, 1990.0, None, 1030.0]
    """
    if not word[:1].isdigit():
        return NUMBERS.get(word)
    plain = word.replace(",", "").replace(":", "")
    digits = re.match(r"\d{1,18}(?:\.\d{1,9})?", plain)
    try:
        return float(digits.group()) if digits else None
    except ValueError:
        return None
