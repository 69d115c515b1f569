//! From the bytes of a file to its products.

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

/// What a file comes to, one after the other.
#[derive(Debug, Clone)]
pub enum Item {
    /// Rows that speak of one product.
    Product(Box<ProductRows>),
    /// A row that is not imported. It comes when it is read, which may be before the product around it.
    Refused(RefusedRow),
}

/// What becomes of a variant whose SKU another variant of the file or the shop has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DuplicateSku {
    /// It is refused.
    #[default]
    Refuse,
    /// Its SKU is derived from its product's handle and its options, with a warning: Shopify lets variants share one.
    Derive,
}

/// Reads a product CSV.
///
/// Iterates over what the file comes to; an error is the last item. Memory is bounded by one product, one row, and 32
/// bytes for each variant of the file.
pub struct Reader<R> {
    records: Records<R>,
    record: Record,
    header: Arc<Header>,
    rules: Rules,
    warnings: Vec<Warning>,
    group: Option<Group>,
    /// The product whose own row was refused: what belongs to it has no place.
    refused: Option<RefusedProduct>,
    rows: u64,
    ready: VecDeque<Result<Item, CatalogueError>>,
    ended: bool,
}

struct RefusedProduct {
    /// `None` when not even its handle could be read.
    handle: Option<Handle>,
    line: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header. `currency` is that of prices of which the file says none.
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

    /// What a person should know about the file as a whole. A product's own warnings come with its rows.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// How many rows were read so far, refused ones included; the header and blank rows are none.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads one row. `false` at the end of the file.
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

    /// `Ok(Some(_))`: the row's variant is refused, and the product goes on.
    fn take_row(&mut self) -> Result<Option<Refused>, Refused> {
        let header = Arc::clone(&self.header);
        let cells = Cells { header: &header, record: &self.record };
        let line = self.record.line;
        // A title that cannot be read is one all the same; the row is refused for it below.
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
                // A file without handles says so once, not in each row.
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

/// What is wrong with the row as such, whatever it says.
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
