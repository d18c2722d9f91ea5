//! Reading rows. **Invariant:** a value that cannot be read is an [`Error::Row`] that names the row, never a panic.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Any, Decode, Row, Type};

use super::Error;
use crate::base::Timestamp;

/// One row, with the name by which errors call it: `run 01j…`.
pub(super) struct Fields<'r> {
    row: &'r AnyRow,
    name: String,
}

impl<'r> Fields<'r> {
    pub(super) fn new(row: &'r AnyRow, kind: &str, key: &str) -> Self {
        let id = row.try_get::<String, _>(key).or_else(|_| row.try_get::<i64, _>(key).map(|n| n.to_string()));
        Self { row, name: format!("{kind} {}", id.unwrap_or_else(|_| "without an id".to_owned())) }
    }

    fn get<T: Decode<'r, Any> + Type<Any>>(&self, column: &str) -> Result<T, Error> {
        self.row.try_get(column).map_err(|error| self.unreadable(column, &error))
    }

    pub(super) fn text(&self, column: &str) -> Result<String, Error> {
        self.get(column)
    }

    pub(super) fn text_or_null(&self, column: &str) -> Result<Option<String>, Error> {
        self.get(column)
    }

    pub(super) fn int(&self, column: &str) -> Result<i64, Error> {
        self.get(column)
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, Error> {
        self.int(column).map(Timestamp)
    }

    pub(super) fn time_or_null(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp))
    }

    /// A number that is never negative: a count, a position.
    pub(super) fn count<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Error>
    where
        T::Error: Display,
    {
        T::try_from(self.int(column)?).map_err(|error| self.unreadable(column, &error))
    }

    pub(super) fn count_or_null<T: TryFrom<i64>>(&self, column: &str) -> Result<Option<T>, Error>
    where
        T::Error: Display,
    {
        let number: Option<i64> = self.get(column)?;
        number.map(T::try_from).transpose().map_err(|error| self.unreadable(column, &error))
    }

    pub(super) fn parse<T: FromStr>(&self, column: &str) -> Result<T, Error>
    where
        T::Err: Display,
    {
        self.text(column)?.parse().map_err(|error| self.unreadable(column, &error))
    }

    pub(super) fn parse_or_null<T: FromStr>(&self, column: &str) -> Result<Option<T>, Error>
    where
        T::Err: Display,
    {
        self.text_or_null(column)?.map(|text| text.parse()).transpose().map_err(|error| self.unreadable(column, &error))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Error> {
        serde_json::from_str(&self.text(column)?).map_err(|error| self.unreadable(column, &error))
    }

    pub(super) fn json_or_null<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Error> {
        let text = self.text_or_null(column)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| self.unreadable(column, &error))
    }

    /// The row's `column` does not hold what it should.
    pub(super) fn unreadable(&self, column: &str, error: &dyn Display) -> Error {
        Error::Row { row: self.name.clone(), detail: format!("{column}: {error}") }
    }
}

/// A value as JSON text.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Value(format!("a value cannot be written as JSON: {error}")))
}

/// A text as both databases take it: Postgres knows no NUL in texts.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A count as a column takes it.
pub(super) fn to_int(what: &str, value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::Value(format!("{what} of {value} is too large")))
}
