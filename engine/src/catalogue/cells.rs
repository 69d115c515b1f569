//! The cells of a row, and what they say of the product itself.

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

/// A refusal and the column that it is about.
pub(super) type Refused = (Option<Column>, Refusal);

/// A row whose cells are all text.
pub(super) struct Cells<'a> {
    pub(super) header: &'a Header,
    pub(super) record: &'a Record,
}

impl<'a> Cells<'a> {
    /// The cell as it was before an export guarded it; blank when the row ends before it. `None` when the file has no
    /// such column. What cannot be read is the fault of this cell alone.
    pub(super) fn raw(&self, column: Column) -> Result<Option<&'a str>, Refused> {
        let Some(field) = self.header.field(column) else { return Ok(None) };
        if self.record.is_cut(field) {
            return Err((Some(column), Refusal::FieldTooLong));
        }
        let bytes = self.record.field(field).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| (Some(column), Refusal::NotUtf8))?;
        Ok(Some(unguarded(text)))
    }

    /// What the file says there, for people; nothing where that cannot be read.
    pub(super) fn shown(&self, column: Column) -> Option<String> {
        self.raw(column).ok().flatten().map(shown)
    }

    /// Whether the cell says something, if only what cannot be read.
    pub(super) fn says(&self, column: Column) -> bool {
        self.text_or_blank(column).map_or(true, |text| !text.is_empty())
    }

    /// The cell as one line, trimmed.
    pub(super) fn text(&self, column: Column) -> Result<Option<String>, Refused> {
        Ok(self.raw(column)?.map(single_line))
    }

    /// The cell as one line, blank when the file has no such column.
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

    /// The columns of up to three options, up to the first blank one. A value after a gap has no option.
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

/// What a row with a title says of the product itself.
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
    /// Reads them; the first that is wrong refuses the product.
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
        // A blank cell is cleared to what a new product has: published.
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

    /// `None` when the row names none: then the product keeps those that it has.
    fn option_names(cells: &Cells<'_>) -> Result<Option<Vec<String>>, Refused> {
        let names = cells.options(Column::OptionName)?;
        if names.iter().collect::<HashSet<_>>().len() < names.len() {
            return Err((Some(Column::OptionName(1)), Refusal::OptionDoubled));
        }
        // A value that cannot be read is the variant's fault.
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
