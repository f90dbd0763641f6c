"""Secrets: keys, tokens and passwords, by their vendors' forms and by the name they stand under.

They are found as Presidio finds anything, by recognizers that a user can add to. What they find is
masked and never becomes a token: a token of one secret could be compared wherever the key is used.

The forms follow what vendors document of them: a fixed beginning, an alphabet and a length. Their
lengths are taken as lower bounds, since vendors lengthen them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import regex
from presidio_analyzer import Pattern, PatternRecognizer

from locard.redaction.secret_names import (
    ACCESS_TOKEN,
    API_KEY,
    CLOUD_CREDENTIAL,
    JWT,
    PASSWORD,
    PRIVATE_KEY,
)

_SURE: Final = 1.0
_LIKELY: Final = 0.8
_END: Final = r"(?![A-Za-z0-9_-])"


@dataclass(frozen=True)
class Form:
    """How one kind of secret is written.

    Args:
        name: whose it is, and what.
        pattern: case matters in it, and only ASCII counts as letters, digits and blanks.
        gate: a simpler pattern that matches wherever it does, where it is costly to look for.
    """

    entity_type: str
    name: str
    pattern: str
    score: float = _SURE
    gate: str | None = None


FORMS: Final = (
    Form(API_KEY, "OpenAI key", rf"\bsk-(?!ant-)[A-Za-z0-9_-]{{20,}}{_END}"),
    Form(API_KEY, "Anthropic key", rf"\bsk-ant-[A-Za-z0-9_-]{{20,}}{_END}"),
    Form(API_KEY, "Hugging Face token", rf"\bhf_[A-Za-z0-9]{{30,}}{_END}"),
    Form(API_KEY, "Google API key", rf"\bAIza[A-Za-z0-9_-]{{35}}{_END}"),
    Form(API_KEY, "Stripe key", rf"\b[sr]k_(?:live|test)_[A-Za-z0-9]{{16,}}{_END}"),
    Form(API_KEY, "Stripe webhook secret", rf"\bwhsec_[A-Za-z0-9]{{24,}}{_END}"),
    Form(API_KEY, "SendGrid key", rf"\bSG\.[A-Za-z0-9_-]{{16,}}\.[A-Za-z0-9_-]{{32,}}{_END}"),
    Form(API_KEY, "Twilio key", rf"\bSK[0-9a-f]{{32}}{_END}"),
    Form(API_KEY, "Mailgun key", rf"\bkey-[0-9a-f]{{32}}{_END}"),
    Form(API_KEY, "Telegram bot token", rf"\b[0-9]{{8,10}}:AA[A-Za-z0-9_-]{{33}}{_END}"),
    Form(API_KEY, "Locard token", rf"\blocard_[A-Za-z0-9_-]{{32,}}{_END}"),
    Form(ACCESS_TOKEN, "GitHub token", rf"\bgh[opusr]_[A-Za-z0-9]{{36,}}{_END}"),
    Form(ACCESS_TOKEN, "GitHub fine-grained token", rf"\bgithub_pat_[A-Za-z0-9_]{{22,}}{_END}"),
    Form(
        ACCESS_TOKEN, "GitLab token", rf"\bgl(?:pat|dt|rt|cbt|ptt|oas)-[A-Za-z0-9_-]{{20,}}{_END}"
    ),
    Form(ACCESS_TOKEN, "Slack token", rf"\bxox[abeoprs]-[A-Za-z0-9-]{{10,}}{_END}"),
    Form(ACCESS_TOKEN, "Slack app token", rf"\bxapp-[0-9]-[A-Za-z0-9-]{{10,}}{_END}"),
    Form(
        ACCESS_TOKEN,
        "Slack webhook",
        r"(?<=hooks\.slack\.com/services/)T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}",
    ),
    Form(ACCESS_TOKEN, "npm token", rf"\bnpm_[A-Za-z0-9]{{36,}}{_END}"),
    Form(ACCESS_TOKEN, "PyPI token", rf"\bpypi-AgEI[A-Za-z0-9_-]{{50,}}{_END}"),
    Form(ACCESS_TOKEN, "Shopify token", rf"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}{_END}"),
    Form(ACCESS_TOKEN, "Databricks token", rf"\bdapi[0-9a-f]{{32}}(?:-[0-9])?{_END}"),
    Form(ACCESS_TOKEN, "Vault token", rf"\bhv[sbr]\.[A-Za-z0-9_-]{{24,}}{_END}"),
    Form(
        ACCESS_TOKEN,
        "bearer token",
        r"(?<=\b[Bb]earer )[A-Za-z0-9._~+/-]{16,}=*",
        _LIKELY,
        gate=r"\bbearer [a-z0-9._~+/-]{16}",
    ),
    Form(
        ACCESS_TOKEN,
        "basic credentials",
        r"(?<=: ?Basic )[A-Za-z0-9+/]{8,}={0,2}",
        _LIKELY,
        gate=r": ?basic [a-z0-9+/]{8}",
    ),
    Form(CLOUD_CREDENTIAL, "AWS access key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    Form(
        CLOUD_CREDENTIAL,
        "AWS secret key",
        r"(?<=(?i:secret_?access_?key|aws_?secret_?key)['\"]?\s{0,3}[:=]\s{0,3}['\"]?)"
        r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        gate=r"secret_?(?:access_?)?key",
    ),
    Form(CLOUD_CREDENTIAL, "Google OAuth token", rf"\bya29\.[A-Za-z0-9_-]{{20,}}{_END}"),
    Form(CLOUD_CREDENTIAL, "Google client secret", rf"\bGOCSPX-[A-Za-z0-9_-]{{28}}{_END}"),
    Form(
        CLOUD_CREDENTIAL,
        "Azure storage key",
        r"(?<=AccountKey=)[A-Za-z0-9+/]{40,}={0,2}",
        gate="AccountKey=",
    ),
    Form(
        CLOUD_CREDENTIAL,
        "Azure shared access signature",
        r"(?<=[?&]sig=)[A-Za-z0-9%+/]{30,}=*",
        gate="[?&]sig=",
    ),
    Form(CLOUD_CREDENTIAL, "Azure client secret", r"\b[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    Form(CLOUD_CREDENTIAL, "DigitalOcean token", rf"\bdo[opr]_v1_[0-9a-f]{{64}}{_END}"),
    Form(JWT, "JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    Form(
        PRIVATE_KEY,
        "private key",
        # Without its end as well: a tool that cuts its result leaves enough to be a key.
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[\s\S]{0,8000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:(?:\s|\\[nr]){0,4}[A-Za-z0-9+/=]{16,}){0,400})",
        gate="-----BEGIN ",
    ),
    Form(PRIVATE_KEY, "age key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b"),
    Form(
        PASSWORD,
        "password in an address",
        r"(?<=\b[a-z][a-z0-9+.-]{1,20}://[^\s:/?#@]{0,100}:)[^\s/?#@]{1,200}(?=@[A-Za-z0-9\[])",
        gate=r"://[^\s/?#]{1,305}@",
    ),
    Form(
        PASSWORD,
        "password in a connection string",
        r"(?<=(?i:;|\b)(?i:password|pwd)=)[^\s;'\"&]{3,200}(?=[;&'\"]|\s|$)",
        gate=r"(?:password|pwd)=[^ ]",
    ),
    Form(
        PASSWORD,
        "password of a request",
        r"(?<=\b(?:curl|wget|http|https)(?:\s[^\n]{0,200})?\s(?:-u|--user|-a|--auth)[ =]['\"]?"
        r"[^\s:'\"]{1,64}:)[^\s'\"]{3,200}",
        _LIKELY,
        gate=r"(?:-u|--user|-a|--auth)[ =][^\s:]{1,65}:[^\s]",
    ),
    Form(
        PASSWORD,
        "password on a command line",
        r"(?<=\s(?:--password|--token|--api-key|--secret)[ =])[^\s'\"-][^\s'\"]{3,200}",
        _LIKELY,
        gate=r"--(?:password|token|api-key|secret)[ =]",
    ),
)
"""Every form that is looked for."""


def credential_recognizers() -> Iterator[PatternRecognizer]:
    """Yield a recognizer for each form, for Presidio's registry."""
    for form in FORMS:
        recognizer = PatternRecognizer(
            supported_entity=form.entity_type,
            name=f"{form.name} recognizer",
            patterns=[Pattern(form.name, form.pattern, form.score)],
            global_regex_flags=regex.ASCII,
        )
        # For the engine, which would else look for the pattern itself.
        vars(recognizer)["gate"] = form.gate
        yield recognizer
