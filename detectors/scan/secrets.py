"""Keys and passwords: the published formats of providers, and what stands beside a word such as `password`."""

from __future__ import annotations

import math
import re
from collections import Counter

from detectors.scan.base import Rule, RuleSet, Span, Trim, Words

_START = r"(?:^|[^A-Za-z0-9_.+/-])"
_PLACEHOLDER = Words(
    r"(?i)x{5}|\*{4}|\.{3}|\[|example$|0{8}|1{8}|1234567890123|abcdefgh|0123456789|your|example[_-]|_here|change[_-]?me|placeholder|"
    r"dummy|redacted|insert|replace|sample|<[a-z_ -]+>|\$[({a-z]|\{\{|%[a-z_]+%|todo|fake|xxx_|put_"
)
_SAID = (
    r"(?i)(?:api[_.-]?key|secret|passw(?:or)?d|pwd|passphrase|token|credentials?|auth|access[_.-]?key|private[_.-]?key|"
    r"client[_.-]?secret|signing[_.-]?key|encryption[_.-]?key|bearer|clave|contraseña|mot de passe|passwort|kennwort|senha)"
)
# What follows one of the words: an optional rest of the name, a sign that assigns, and the value.
GENERIC = (
    _SAID
    + r"[A-Za-z0-9_.-]{0,24}[\"'`\])]{0,2}[ \t]{0,3}(?:=>|:=|\?=|:{1,3}=?|=|,|\bis\b|\bist\b|\bes\b|\best\b)[ \t]{0,3}"
    r"(?:[\"'`(\[]{0,2})([A-Za-z0-9_+/=.~!@#$%^&*-]{8,512})"
)
_SHAPELESS = re.compile(
    r"(?:[a-z]+|[A-Z]+|\d+|[A-Z][a-z]+(?:[A-Z][a-z]*)*|[a-z]+(?:[A-Z][a-z0-9]*)+|[\w.-]*\.(?:py|js|go|com|org|net|io|yml|"
    r"yaml|json|txt|key|pem|html|jar|md|git)|[a-zA-Z]+(?:[_.:/-][a-zA-Z]+)+\d{0,2}|\d+(?:[.:]\d+)+|[\d.:TZ+-]+)$"
)
_ID_NAME = re.compile(
    r"(?:[_. -]?(?:id|ids|name|type|tag|length|size|count|path|url|uri|file|field|str|chars|hash|rev)|keyword|author\w*|"
    r"accessib\w*)[\"'`\])]*\s*(?:=>|:=|[:=])",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


_DIGIT, _LETTER = re.compile(r"\d"), re.compile(r"[A-Za-z]")


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text's characters in bits a character.

    References
    ----------
    Shannon, *A mathematical theory of communication*, Bell System Technical Journal 27, 1948.

    Examples
    --------
    >>> entropy("aaaa"), entropy("abcd")
    (0.0, 2.0)
    """
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) + 0.0


def real(least: float = 0.0, *, digit: bool = False) -> Trim:
    """Make a check that a value is neither a placeholder nor too regular: ``least`` bits a character."""

    def trim(text: str, start: int, end: int) -> tuple[int, int] | None:
        found = text[start:end]
        if digit and not (_DIGIT.search(found) and _LETTER.search(found)):
            return None
        if _PLACEHOLDER.found_in(found) or (least and entropy(found) < least):
            return None
        return start, end

    return trim


def trim_generic(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Take a value beside a word for a secret when it looks drawn at random rather than written."""
    if ".." in text[start : end + 2]:
        return None  # shown cut short on purpose
    while end > start and text[end - 1] in ".,;:!)]'\"":
        end -= 1
    found = text[start:end]
    line = max(text.rfind("\n", 0, start) + 1, start - 80)
    if _ID_NAME.search(text, line, start) or _SHAPELESS.match(found) or _UUID.match(found):
        return None
    if len(found) < 8 or _PLACEHOLDER.found_in(found) or found.startswith(("http", "/", "./", "$", "arn:", "#")):  # noqa: PLR2004
        return None
    kinds = sum(map(bool, (re.search("[a-z]", found), re.search("[A-Z]", found), re.search(r"\d", found))))
    special = bool(re.search(r"[!@#$%^&*~+=]", found))
    if not any(character.isdigit() for character in found) and not special:
        return None
    wanted = 2.6 if len(found) < 16 else 3.0 if len(found) < 24 else 3.4  # noqa: PLR2004
    return (start, end) if kinds + special >= 2 and entropy(found) >= wanted else None  # noqa: PLR2004


def trim_password(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Take what stands where only a password can, unless it is a variable or a placeholder."""
    found = text[start:end]
    plain = found.strip("\"'`{}")
    if len(plain) < 3 or _PLACEHOLDER.found_in(found) or "$" in plain[:2] or plain.startswith(("<", "[", "%", "$(")):  # noqa: PLR2004
        return None
    return start, end


_LONG = re.compile(r"\{(\d+)(?:,\d*)?\}")


def _few(count: re.Match[str]) -> str:
    """Ask for at least six repeats at most: enough for a first look, and a small automaton."""
    return f"{{{min(6, int(count[1]))},}}"


def _key(kind: str, pattern: str, least: float = 0.0, hint: str = "") -> Rule:
    """Make a rule of a format that is recognised by itself: nothing of a word stands on either side of it."""
    exact = rf"{_START}({pattern})(?:[^A-Za-z0-9_-]|$)"
    return Rule(kind, exact, real(least), hint=hint or rf"{_START}(?:{_LONG.sub(_few, pattern)})")


def _beside(kind: str, words: str, pattern: str, least: float = 3.0, *, digit: bool = True) -> Rule:
    """Make a rule of a shape that means something only after the name of its provider and a sign that assigns."""
    between = r"[A-Za-z0-9_ .-]{0,30}[\"'`]{0,2}[ \t]{0,3}(?:=>|:{1,3}=|\?=|[:=>,|])?[ \t]{0,3}[\"'`]{0,2}"
    return Rule(
        kind,
        rf"(?i)(?:{words}){between}({pattern})(?:[^A-Za-z0-9_-]|$)",
        real(least, digit=digit),
        hint=rf"(?i)(?:{words})",
    )


_URL_PASSWORD = r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@\"'<>]{1,100}:([^\s/@\"'<>]{3,200})@[\w.-]+"
_CURL_USER = r"curl\b[^\n|;]*(?:\\\n[^\n|;]*)*\s(?:-u|--user)(?:[ =]{0,3})([\"'][^\"'\n]{3,200}[\"'](?::[\"'][^\"'\n]{3,200}[\"'])?|[^\s\"'\\-][^\s\\]{2,200})"
_HEADER = (
    r"(?i)(?:-H|--header)[ =]{0,2}\\?[\"'](?:Authorization:\s*(?:(?:Bearer|Basic|Token|ApiKey)\s+)?|"
    r"(?:x-)?[a-z-]{0,24}(?:api-?key|token|secret)[a-z-]{0,10}:\s*)([^\s\"'\\]{8,})"
)


def _trim_curl(text: str, start: int, end: int) -> tuple[int, int] | None:
    found = text[start:end].strip("\"'")
    user, colon, password = found.partition(":")
    user, password = user.strip("\"'{}"), password.strip("\"'{}")
    secret = password or user
    if not colon or "$" in found[:2] or ":$" in found or password.startswith(("//", "<", "$")) or user.startswith("<"):
        return None
    if _PLACEHOLDER.found_in(found) or len(secret) < 5 or secret.lower() in ("password", "passwd"):  # noqa: PLR2004
        return None
    return (start, end) if any(c.isdigit() for c in secret) or re.search(r"[^\w]", secret) else None


def _trim_header(text: str, start: int, end: int) -> tuple[int, int] | None:
    found = text[start:end]
    return (
        (start, end) if entropy(found) >= 2.7 and not _PLACEHOLDER.found_in(found) and found[0] not in "<{[$`" else None
    )  # noqa: E501, PLR2004


_DATA = r"\bdata:[ \t]*\n(?:\s*#[^\n]*\n)*\s*[\w.-]+:\s*(?:[|>]\s*)?[\"']?([A-Za-z0-9+/]{8,}={0,3})"
_YAML_KIND = r"kind:[ \t]*[\"']?secret\b"
_SLACK_TAIL = r"(?:-[0-9A-Za-z]{8,64}){1,5}"

# One format a line, so that lines may be long.
RULES = RuleSet(
    (
        Rule("private_key", r"-----BEGIN[ A-Z0-9_-]{0,60}PRIVATE KEY(?: BLOCK)?-----(?:[\s\S]*?-----END[ A-Z0-9_-]{0,60}-----)?", hint="PRIVATE KEY"),
        _key("jwt", r"ey[A-Za-z0-9_-]{14,}\.ey[A-Za-z0-9_/+-]{10,}\.[A-Za-z0-9_/+=-]*", hint=r"ey[A-Za-z0-9_-]{14,}\.ey"),
        _key("aws_access_key", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z2-7]{16}", 3.0),
        _key("aws_bedrock_key", r"ABSK[A-Za-z0-9+/]{60,269}={0,2}", 0, "ABSK"),
        _beside("aws_secret_key", r"aws.{0,20}(?:secret|key)", r"[A-Za-z0-9/+=]{40}", 4.0),
        _key("gcp_api_key", r"AIza[\w-]{35}", 4.0),
        Rule("gcp_service_account", r"\"type\"\s*:\s*\"service_account\""),
        _key("google_oauth", r"(?:GOCSPX-[\w-]{28}|ya29\.[\w-]{40,})", 3.5),
        _key("github_token", r"(?:gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_\w{82})", 3.0),
        _key("gitlab_token", r"(?:gl(?:pat|dt|rt|ptt|cbt|ft|imt|agent|soat|oas|ffct)-[\w.-]{20,300}|GR1348941[\w-]{20})", 3.0),
        _key("slack_token", rf"(?:xox[bpaors]-(?:\d-)?[0-9]{{5,14}}{_SLACK_TAIL}|xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]{{20,}}|xox[bp]-\d{{8,14}}-[a-zA-Z0-9]{{18,26}})", 2.8, r"xox[a-z]|xapp"),
        _key("slack_token", r"xoxe(?:\.xox[bp])?-\d-[A-Za-z0-9]{100,}", 3.5),
        Rule("slack_token", r"[=\"'](xoxe-[0-9]{8,}-[0-9A-Za-z-]{20,})", real(3.0)),
        Rule("slack_webhook", r"(hooks\.slack\.com/(?:services|workflows|triggers)/T[A-Za-z0-9+/]{40,60})", real(3.0)),
        _key("stripe_key", r"(?:sk|rk|pk)_(?:test|live|prod)_[0-9A-Za-z]{10,120}", 3.0, r"[srp]k_(?:test|live|prod)_"),
        _key("openai_key", r"sk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,200}T3BlbkFJ[A-Za-z0-9_-]{20,200}", 3.0),
        _key("openai_key", r"sk-(?:proj-|svcacct-|admin-)[A-Za-z0-9_-]{40,250}|sk-[A-Za-z0-9]{48}", 3.5),
        _key("anthropic_key", r"sk-ant-(?:api|admin|oat|ort)\d{2}-[\w-]{80,120}AA", 4.0),
        _key("huggingface_token", r"(?:hf_[A-Za-z]{34}|hf_[A-Za-z0-9]{34,37}|api_org_[A-Za-z]{34})", 3.0),
        _key("npm_token", r"npm_[A-Za-z0-9]{36}", 3.0),
        _key("pypi_token", r"pypi-[A-Za-z0-9_-]{50,}", 3.0),
        _key("twilio_key", r"(?:SK|AC)[0-9a-f]{32}", 3.0),
        _key("sendgrid_key", r"SG\.[\w-]{16,32}\.[\w-]{30,64}", 3.5),
        _key("mailgun_key", r"(?:key|pubkey)-[0-9a-f]{32}", 3.0),
        _key("mailchimp_key", r"[0-9a-f]{32}-us\d{1,2}", 3.0),
        _key("telegram_token", r"\d{8,10}:AA[\w-]{32,34}", 3.5),
        _key("digitalocean_token", r"do[oprt]_v1_[a-f0-9]{64}", 3.0),
        _key("databricks_token", r"dapi[0-9a-f]{32}(?:-\d)?", 3.0),
        _key("shopify_token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", 2.5),
        _key("square_token", r"(?:EAAA[\w-]{56,62}|sq0[a-z]{3}-[\w-]{22,50})", 3.0),
        _key("facebook_token", r"EAA[MC][A-Za-z0-9]{80,}", 3.5),
        Rule("facebook_token", r"(?i)facebook.{0,40}?(\d{12,17}(?:\||%)[\w-]{24,30})", real(3.0)),
        _beside("facebook_secret", r"facebook|fb[_.-]?(?:app|client)", r"[0-9a-f]{32}"),
        _key("flyio_token", r"(?:fo1_[\w-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{60,}={0,3})", 3.5, r"fo1_|fm[12][ar]?_"),
        _key("grafana_token", r"(?:glc_[A-Za-z0-9+/]{32,400}={0,3}|glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8})", 3.0),
        _key("vault_token", r"hv[sb]\.[\w-]{60,300}", 3.5),
        Rule("vault_token", _START + r"(s\.[A-Za-z0-9]{24})(?:[^A-Za-z0-9_-]|$)", real(3.5, digit=True)),
        _key("heroku_key", r"HRKU-AA[\w-]{50,60}", 3.5),
        _key("notion_token", r"(?:ntn_[0-9]{11}[A-Za-z0-9]{32,36}|secret_[A-Za-z0-9]{43})", 3.7),
        _key("okta_token", r"00[\w=-]{40}", 4.3),
        _key("octopus_key", r"API-[A-Z0-9]{26}", 3.0),
        _key("openshift_token", r"sha256~[\w-]{43}", 3.5),
        _key("onepassword_key", r"(?:A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}|ops_ey[A-Za-z0-9+/]{200,}={0,3})", 3.5),
        _key("sentry_token", r"(?:sntrys_ey[A-Za-z0-9+/=_]{80,}|sntryu_[a-f0-9]{64})", 3.0, "sntry[su]_"),
        _key("sourcegraph_token", r"sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}", 3.0),
        _key("scalingo_token", r"tk-us-[\w-]{48}", 3.0),
        _key("intra42_secret", r"s-s4t2(?:ud|af)-[a-f0-9]{64}", 3.0),
        _key("azure_client_secret", r"[\w~.-]{3}\dQ~[\w~.-]{31,34}", 3.3),
        _key("azure_storage_key", r"AccountKey=[A-Za-z0-9+/]{86}==", 4.0),
        _key("atlassian_token", r"ATATT3[\w=-]{180,200}", 3.5),
        _key("linear_key", r"lin_api_[A-Za-z0-9]{40}", 3.0),
        _key("doppler_token", r"dp\.pt\.[A-Za-z0-9]{43}", 3.0),
        _key("postman_key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", 3.0),
        _key("newrelic_key", r"NR(?:AK|JS|II|RA)-[A-Z0-9a-f_-]{19,40}", 3.0),
        _key("docker_token", r"dckr_(?:pat|oat)_[\w-]{27,40}", 3.0),
        _key("rubygems_token", r"rubygems_[a-f0-9]{48}", 3.0),
        _key("replicate_token", r"r8_[A-Za-z0-9]{37}", 3.0),
        _key("groq_key", r"gsk_[A-Za-z0-9]{52}", 3.5),
        _key("perplexity_key", r"pplx-[A-Za-z0-9]{48}", 3.5),
        _key("easypost_key", r"EZ[AT]K[A-Za-z0-9]{54}", 3.5),
        _key("pulumi_token", r"pul-[a-f0-9]{40}", 3.0),
        _key("planetscale_token", r"pscale_(?:tkn|pw|oauth)_[\w=.-]{32,64}", 3.0),
        _key("prefect_token", r"pnu_[a-z0-9]{36}", 3.0),
        _key("readme_token", r"rdme_[a-z0-9]{70}", 3.0),
        _key("typeform_token", r"tfp_[\w.=-]{59}", 3.0),
        _key("terraform_token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}", 3.5),
        _key("age_key", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}", 3.0),
        _key("infracost_token", r"ico-[A-Za-z0-9]{32}", 3.2),
        _key("artifactory_token", r"(?:AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59})", 4.0),
        _key("sonar_token", r"sq[upa]_[A-Za-z0-9]{40}", 3.0),
        _beside("sonar_token", r"sonar[_.-]?(?:login|token)", r"[0-9A-Za-z=_-]{40}"),
        _beside("snyk_token", r"snyk[_.-]?(?:(?:api|oauth)[_.-]?)?(?:key|token)", r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        _beside("provider_key", r"(?:heroku|hubspot|messagebird|postmark|mapbox|confluent|datadog|linode|vultr|sumo|codecov|travis|circleci)", r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        _beside("sumologic_key", r"sumo(?:logic)?[_.-]?access[_.-]?id", r"su[A-Za-z0-9]{12}"),
        _beside("sumologic_key", r"sumo(?:logic)?[_.-]?access[_.-]?(?:key|token)", r"[A-Za-z0-9]{64}", 3.5),
        _beside("atlassian_token", r"atlassian|confluence|jira", r"[A-Za-z0-9]{24}", 3.7),
        _beside("sourcegraph_token", r"sourcegraph", r"[a-fA-F0-9]{40}"),
        _beside("sidekiq_secret", r"BUNDLE_(?:GEMS|ENTERPRISE)__CONTRIBSYS__COM", r"[0-9a-f]{8}:[0-9a-f]{8}", 2.0, digit=False),
        Rule("nuget_password", r"(?i)<add key=\"(?:ClearText)?Password\"\s*value=\"([^\"]{4,200})\"", lambda t, a, b: (a, b) if b - a >= 10 and not _PLACEHOLDER.found_in(t[a:b]) and "%" not in t[a:b] else None),
        Rule("url_password", _URL_PASSWORD, trim_password, hint=r"://[^\s/:@\"'<>]{1,100}:[^\s/@]{3,200}@"),
        Rule("curl_auth", _CURL_USER, _trim_curl, hint=r"curl\b"),
        Rule("auth_header", _HEADER, _trim_header, hint=r"(?i)(?:-H|--header)[ =]{0,2}\\?[\"']"),
        Rule("kubernetes_secret", rf"(?is){_YAML_KIND}.{{0,400}}?{_DATA}", hint=rf"(?i){_YAML_KIND}"),
        Rule("kubernetes_secret", rf"(?is){_DATA}.{{0,400}}?{_YAML_KIND}", hint=rf"(?i){_YAML_KIND}"),
        Rule("bearer_token", r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9_.~+/-]{16,}={0,2})", real(3.5, digit=True)),
        Rule("generic_secret", GENERIC, trim_generic, hint=_SAID),
    )
)  # fmt: skip
TYPES = frozenset(rule.type for rule in RULES.rules)


def scan(text: str) -> list[Span]:
    """Find keys by the format their provider publishes, and random-looking values beside a word for a secret.

    Limits
    ------
    A password that is a word is not told from a word. A key that was cut or that no rule knows is found only
    where it is assigned to a telling name. Nothing is verified with the provider.

    References
    ----------
    The providers' own documentation of their formats; the entropy test: Meli, McNiece, Reaves, *How bad can it
    git?*, NDSS 2019.

    Examples
    --------
    >>> [span.type for span in scan("password: hunter2isNotReal! and token = ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8")]
    ['generic_secret', 'github_token']
    """
    return RULES.scan(text)
