//! The cells of a row, and the values of the product itself.

use std::collections::HashSet;

use super::{
    Column, Refusal, WarningKind,
    guard::unguarded,
    header::Header,
    record::Record,
    refusal::shown,
    rules::{parse_flag, parse_line, parse_status, parse_tags, status_of},
};
use crate::product::{LeftOut, NO_OPTION, OPTIONS_MAX, SafeHtml, Status, TEXT_CHARS_MAX, single_line};

/// A refusal and the column with the error.
pub(super) type Refused = (Option<Column>, Refusal);

/// The cells of a row, by column.
pub(super) struct Cells<'a> {
    pub(super) header: &'a Header,
    pub(super) record: &'a Record,
}

impl<'a> Cells<'a> {
    /// Returns the cell without the guard of an export; blank if the row ends before it. `None` if the file has no such
    /// column. An error affects this cell only.
    pub(super) fn raw(&self, column: Column) -> Result<Option<&'a str>, Refused> {
        let Some(field) = self.header.field(column) else { return Ok(None) };
        if self.record.is_cut(field) {
            return Err((Some(column), Refusal::FieldTooLong));
        }
        let bytes = self.record.field(field).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| (Some(column), Refusal::NotUtf8))?;
        Ok(Some(unguarded(text)))
    }

    /// Returns the cell for display, or `None` if it cannot be read.
    pub(super) fn shown(&self, column: Column) -> Option<String> {
        self.raw(column).ok().flatten().map(shown)
    }

    /// Whether the cell is not blank. A cell that cannot be read is not blank.
    pub(super) fn says(&self, column: Column) -> bool {
        self.text_or_blank(column).map_or(true, |text| !text.is_empty())
    }

    /// Returns the cell as one line, trimmed.
    pub(super) fn text(&self, column: Column) -> Result<Option<String>, Refused> {
        Ok(self.raw(column)?.map(single_line))
    }

    /// Returns the cell as one line, or blank if the file has no such column.
    pub(super) fn text_or_blank(&self, column: Column) -> Result<String, Refused> {
        Ok(self.text(column)?.unwrap_or_default())
    }

    pub(super) fn parsed<T>(
        &self,
        column: Column,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refused> {
        let text = self.text(column)?;
        text.map(|text| parse(&text)).transpose().map_err(|refusal| (Some(column), refusal))
    }

    /// Returns the cells of up to three options, up to the first blank cell. A value after a blank cell is an error.
    pub(super) fn options(&self, column: fn(usize) -> Column) -> Result<Vec<String>, Refused> {
        let mut texts = Vec::with_capacity(OPTIONS_MAX);
        let mut gap = None;
        for index in 0..OPTIONS_MAX {
            match self.parsed(column(index), |text| parse_line(text, TEXT_CHARS_MAX))?.unwrap_or_default() {
                text if text.is_empty() => gap = gap.or(Some(index)),
                text => match gap {
                    Some(gap) => return Err((Some(column(gap)), Refusal::OptionMissing)),
                    None => texts.push(text),
                },
            }
        }
        Ok(texts)
    }
}

/// The values of the product itself, in a row with a title.
pub(super) struct ProductCells {
    pub(super) title: Option<String>,
    pub(super) description: Option<SafeHtml>,
    pub(super) vendor: Option<String>,
    pub(super) product_type: Option<String>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) status: Option<Status>,
    pub(super) options: Option<Vec<String>>,
}

impl ProductCells {
    /// Reads the values; the first error refuses the product.
    pub(super) fn read(cells: &Cells<'_>, warn: &mut impl FnMut(WarningKind)) -> Result<Self, Refused> {
        let line = |column| cells.parsed(column, |text| parse_line(text, TEXT_CHARS_MAX));
        let html = cells.raw(Column::Description)?;
        let description = html.map(SafeHtml::clean).transpose();
        let description = description.map_err(|refusal| (Some(Column::Description), refusal.into()))?;
        if let Some(left_out) = html.and_then(LeftOut::of) {
            warn(WarningKind::LeftOut(left_out));
        }
        let status = cells.parsed(Column::Status, parse_status)?;
        if status.is_some_and(|(_, changed)| changed) {
            warn(WarningKind::Unlisted);
        }
        // A blank cell means published, the default for a new product.
        let published = cells.parsed(Column::Published, parse_flag)?.map(|flag| flag.unwrap_or(true));
        Ok(Self {
            title: line(Column::Title)?,
            description,
            vendor: line(Column::Vendor)?,
            product_type: line(Column::Type)?,
            tags: cells.parsed(Column::Tags, parse_tags)?,
            status: status_of(status.map(|(status, _)| status), published),
            options: Self::option_names(cells)?,
        })
    }

    /// Returns the option names; `None` if the row has none, in which case the product keeps its options.
    fn option_names(cells: &Cells<'_>) -> Result<Option<Vec<String>>, Refused> {
        let names = cells.options(Column::OptionName)?;
        if names.iter().collect::<HashSet<_>>().len() < names.len() {
            return Err((Some(Column::OptionName(1)), Refusal::OptionDoubled));
        }
        // An error in the value is reported with the variant.
        let value = cells.text_or_blank(Column::OptionValue(0)).unwrap_or_else(|_| String::from("?"));
        let unnamed = names.is_empty() || names == [NO_OPTION.0];
        match (unnamed, value.as_str()) {
            (true, value) if value == NO_OPTION.1 => Ok(Some(Vec::new())),
            (true, "") => Ok(None),
            (true, _) if names.is_empty() => Ok(None),
            _ => Ok(Some(names)),
        }
    }
}
