import os

from pydantic import SecretStr


class Settings:
    @property
    def payment_key(self) -> SecretStr:
        return SecretStr(os.environ["PAYMENT_KEY"])

    @property
    def payment_timeout(self) -> float:
        return float(os.environ.get("PAYMENT_TIMEOUT", "2"))


def start() -> Settings:
    return Settings()
