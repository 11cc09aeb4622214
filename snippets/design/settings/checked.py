from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    payment_key: SecretStr = Field(min_length=16)
    payment_timeout: float = Field(default=2.0, gt=0)


def start() -> Settings:
    return Settings()
