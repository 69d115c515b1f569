//! Reads the products in a file.

use std::{collections::VecDeque, io::Read, sync::Arc};

use super::{
    CatalogueError, Column, ProductRows, ROWS_MAX, Refusal, RefusedRow, Warning, WarningKind,
    cells::{Cells, Refused},
    group::{Group, Rules, refused_row},
    header::Header,
    record::{Fault, Record, Records},
    rules::{SeenSkus, parse_handle},
};
use crate::{money::Currency, product::Handle};

/// An item of the file.
#[derive(Debug, Clone)]
pub enum Item {
    /// The rows of one product.
    Product(Box<ProductRows>),
    /// A row that is not imported. It is returned as soon as it is read, which may be before its product.
    Refused(RefusedRow),
}

/// The handling of a variant whose SKU belongs to another variant in the file or the shop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DuplicateSku {
    /// The variant is refused.
    #[default]
    Refuse,
    /// The SKU is derived from the product's handle and the variant's options, with a warning: in Shopify, several
    /// variants may have the same SKU.
    Derive,
}

/// Reads a product CSV.
///
/// It is an iterator over the items of the file; an error is the last item. Memory is bounded by one product, one row,
/// and 32 bytes for each variant in the file.
pub struct Reader<R> {
    records: Records<R>,
    record: Record,
    header: Arc<Header>,
    rules: Rules,
    warnings: Vec<Warning>,
    group: Option<Group>,
    /// The product whose own row was refused: the rows that belong to it are refused too.
    refused: Option<RefusedProduct>,
    rows: u64,
    ready: VecDeque<Result<Item, CatalogueError>>,
    ended: bool,
}

struct RefusedProduct {
    /// `None` if the handle could not be read.
    handle: Option<Handle>,
    line: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header. `currency` applies to prices for which the file has no currency.
    pub fn new(input: R, currency: Currency, duplicates: DuplicateSku) -> Result<Self, CatalogueError> {
        let mut records = Records::new(input);
        let mut record = Record::default();
        if !records.read(&mut record)? {
            return Err(CatalogueError::Empty);
        }
        let header = Header::read(&record)?;
        let mut warnings = Vec::new();
        let line = record.line;
        if !header.ignored.is_empty() {
            warnings.push(Warning { line, kind: WarningKind::IgnoredColumns { names: header.ignored.clone() } });
        }
        if header.field(Column::Handle).is_none() {
            warnings.push(Warning { line, kind: WarningKind::NoHandles });
        }
        Ok(Self {
            records,
            record,
            header: Arc::new(header),
            rules: Rules { currency, duplicates, seen: SeenSkus::default() },
            warnings,
            group: None,
            refused: None,
            rows: 0,
            ready: VecDeque::new(),
            ended: false,
        })
    }

    /// Returns the warnings about the file as a whole. The warnings about a product are in its rows.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Returns the number of rows read so far, including refused rows, without the header and blank rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads one row. Returns `false` at the end of the file.
    fn step(&mut self) -> Result<bool, CatalogueError> {
        if !self.records.read(&mut self.record)? {
            self.finish_group();
            return Ok(false);
        }
        if self.record.fault.is_none() && self.record.fields().all(|field| field.trim_ascii().is_empty()) {
            return Ok(true);
        }
        if self.rows == ROWS_MAX {
            self.finish_group();
            return Err(CatalogueError::TooManyRows { line: self.record.line });
        }
        self.rows += 1;
        if let Some(refused) = self.take_row().unwrap_or_else(Some) {
            let row = refused_row(&Cells { header: &self.header, record: &self.record }, refused);
            self.ready.push_back(Ok(Item::Refused(row)));
        }
        Ok(true)
    }

    fn finish_group(&mut self) {
        let finished = self.group.take().and_then(|group| group.finish(&self.header, self.rules.currency));
        if let Some(rows) = finished {
            self.ready.push_back(Ok(Item::Product(Box::new(rows))));
        }
    }

    /// Adds the current row to its product. `Ok(Some(_))` means that the row's variant is refused, but the rest of the
    /// row is added.
    fn take_row(&mut self) -> Result<Option<Refused>, Refused> {
        let header = Arc::clone(&self.header);
        let cells = Cells { header: &header, record: &self.record };
        let line = self.record.line;
        // An unreadable title counts as a title: the row starts a product, and is refused below.
        let title = cells.text_or_blank(Column::Title);
        let has_title = title.as_ref().map_or(true, |title| !title.is_empty());
        let handle = cells.text_or_blank(Column::Handle).and_then(|handle| {
            if handle.is_empty() && !has_title {
                return Ok((None, None));
            }
            let title = if handle.is_empty() { title? } else { String::new() };
            let known = parse_handle(&handle, &title, line).map_err(|refusal| (Some(Column::Handle), refusal))?;
            Ok((Some(known.0), known.1))
        });
        let (handle, warning) = match handle {
            Ok(handle) => handle,
            Err(refused) => {
                self.finish_group();
                self.refused = Some(RefusedProduct { handle: None, line });
                return Err(refused);
            }
        };
        let above = self.group.as_ref().map(|group| &group.handle);
        let fresh = match (&handle, above) {
            (None, Some(_)) => None,
            (None, None) => {
                let refusal = self
                    .refused
                    .as_ref()
                    .map_or(Refusal::NoProduct, |refused| Refusal::ProductRefused { line: refused.line });
                return Err((None, refusal));
            }
            (Some(handle), Some(above)) if handle == above => None,
            (Some(handle), _) => Some(handle.clone()),
        };
        if let Some(handle) = fresh {
            self.finish_group();
            match &self.refused {
                Some(refused) if !has_title && refused.handle.as_ref() == Some(&handle) => {
                    return Err((None, Refusal::ProductRefused { line: refused.line }));
                }
                _ => self.group = Some(Group::new(handle, line)),
            }
        }
        let Some(group) = &mut self.group else { return Err((None, Refusal::NoProduct)) };
        let starts = group.first_line == line;
        let cells = Cells { header: &header, record: &self.record };
        let added = check_row(&header, &self.record).and_then(|()| group.add(&cells, &mut self.rules));
        match added {
            Ok(refused) => {
                // In a file without handles there is one warning for the file, not one for each row.
                let known = matches!(warning, Some(Warning { kind: WarningKind::HandleFromTitle { .. }, .. }));
                if !known || header.field(Column::Handle).is_some() {
                    group.warnings.extend(warning);
                }
                if self.record.len() < header.len {
                    group.warnings.push(Warning { line, kind: WarningKind::ShortRow { cells: self.record.len() } });
                }
                if starts {
                    self.refused = None;
                }
                Ok(refused)
            }
            Err(refused) => {
                if starts {
                    let handle = self.group.take().map(|group| group.handle);
                    self.refused = has_title.then_some(RefusedProduct { handle, line });
                }
                Err(refused)
            }
        }
    }
}

/// Checks the form of the row, independently of its values.
fn check_row(header: &Header, record: &Record) -> Result<(), Refused> {
    match record.fault {
        None => {}
        Some(Fault::RowTooLong) => return Err((None, Refusal::RowTooLong)),
        Some(Fault::OpenQuote { field }) => return Err((header.column_of_field(field), Refusal::OpenQuote)),
    }
    let beyond = record.fields().skip(header.len).any(|field| !field.trim_ascii().is_empty());
    if beyond || record.fields_seen > record.len() {
        return Err((None, Refusal::TooManyCells { cells: record.fields_seen, columns: header.len }));
    }
    Ok(())
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Item, CatalogueError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.ended {
                return None;
            }
            match self.step() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    self.ready.push_back(Err(error));
                }
            }
        }
    }
}
