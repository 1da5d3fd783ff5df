"""Words in names of fields and columns that say what a value is: a password does not show it by itself."""

from __future__ import annotations

from typing import Final

from guardsdk.text.lazy import lazy_pattern

TELLING: Final = lazy_pattern(
    "(?i)pass|pwd|pw$|secret|token|key|credential|auth|cookie|sess|sid$|salt"
    "|kennwort|wachtwoord|contrase|senha|has[łl]o|lösenord|heslo|jelszó|şifre|пароль|密[码碼]|パスワード|비밀번호"
    "|schlüssel|sleutel|clé|clave|chave|chiave|klucz|jeton"
    "|phone|tel|tél|fax|mob|móvil|cel|sms|handy|whatsapp|festnetz|portable|komórka|tlf|puh|^ph$|тел|電話|电话|手机|전화|휴대폰"
    "|iban|ssn|social|insurance|sin$|dni|ni[ef]$|nhs|bsn|burger|sofi|pesel|personn|cpf|cnpj|steuer|idnr|tin$|aadhaa?r|uidai"
)
"""Part of the names that the patterns of ``secret`` and ``personal_data`` look for beside a value."""
