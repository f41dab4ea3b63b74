//! The general way: records of another shape than those before them bring the columns along.

use super::column_builder::ColumnBuilder;
use super::content::{Content, Kind};
use super::emitter::Emitter;
use super::shape::{Part, Shape};
use crate::column::Column;
use crate::description::Parts;
use crate::failure::Failure;
use alloc::format;
use alloc::vec::Vec;

impl<'b> Emitter<'b> {
    pub(super) fn column(&mut self, part: Part) -> &mut ColumnBuilder {
        match part {
            Part::Key => &mut self.keys,
            Part::Value => &mut self.values,
            Part::Headers => &mut self.headers,
        }
    }

    /// Writes a part of a record whose shape is not that of the records before it.
    pub(super) fn place<C: Content>(&mut self, part: Part, content: C) {
        match (self.shape.kind(part), content.kind()) {
            (Kind::Inherit, Kind::Inherit) | (Kind::Empty, Kind::Empty) => {}
            (_, Kind::Inherit) => {
                if let Some(inherited) = self.inherited(part, self.index) {
                    self.place(part, inherited);
                }
            }
            (Kind::Inherit, Kind::Empty) if self.emitted == 0 => self.shape.set(part, Kind::Empty),
            (Kind::Inherit, _) => {
                self.start(part, 0);
                self.shape.set(part, Kind::Bytes);
                self.fill_inherited(part);
                self.place(part, content);
            }
            (Kind::Empty, Kind::Null | Kind::Bytes) => {
                self.start(part, self.emitted);
                self.shape.set(part, Kind::Bytes);
                self.place(part, content);
            }
            (Kind::Bytes, Kind::Null) => {
                self.column(part).start_validity();
                self.shape.set(part, Kind::Null);
                self.place(part, content);
            }
            (Kind::Bytes, Kind::Bytes | Kind::Empty) => {
                let (source, pace) = (self.source(), self.pace());
                self.column(part).push(content, source, pace);
            }
            (Kind::Null, _) => {
                let (source, pace) = (self.source(), self.pace());
                self.column(part).push_nullable(content, source, pace);
            }
        }
    }

    fn start(&mut self, part: Part, items: usize) {
        let (records, bytes) = (self.input.len(), self.input.values.data.len());
        self.column(part).start(items, records, bytes);
    }

    /// Writes out what the records emitted so far inherited.
    #[cold]
    fn fill_inherited(&mut self, part: Part) {
        for source in self.sources() {
            match self.inherited(part, source) {
                Some(inherited) => self.place(part, inherited),
                None => return,
            }
        }
    }

    /// The input record of each record emitted so far.
    fn sources(&self) -> Vec<usize> {
        let count = |index| if self.counting { self.counts.get(index).copied() } else { Some(1) };
        let mut sources: Vec<usize> = (0..self.index)
            .flat_map(|index| core::iter::repeat_n(index, count(index).unwrap_or(0) as usize))
            .collect();
        sources.resize(self.emitted, self.index);
        sources
    }

    /// A part of an input record, or `None` and a failure noted where it is not read.
    fn inherited(&mut self, part: Part, index: usize) -> Option<Option<&'b [u8]>> {
        let (column, parts, name): (&'b Column, Parts, &str) = match part {
            Part::Key => (&self.input.keys, Parts::KEYS, "keys"),
            Part::Value => (&self.input.values, Parts::VALUES, "values"),
            Part::Headers => (&self.input.headers, Parts::HEADERS, "headers"),
        };
        if self.reads.contains(parts) {
            return Some(column.get(index));
        }
        self.note_unread(name);
        None
    }

    fn note_unread(&mut self, name: &str) {
        self.failure.get_or_insert_with(|| {
            Failure::Fatal(format!(
                "some emitted records set their {name} and others inherit them: the plugin must declare `reads({name})`"
            ))
        });
    }

    pub(super) fn place_timestamp(&mut self, timestamp: Option<i64>) {
        if timestamp.is_none() && !self.shape.has(Shape::TIMESTAMPS) {
            return;
        }
        if !self.reads.contains(Parts::TIMESTAMPS)
            && (timestamp.is_none() || self.timestamps.len() < self.emitted)
        {
            return self.note_unread("timestamps");
        }
        let inherited =
            |index: usize| self.input.timestamps.get(index).copied().unwrap_or_default();
        if !self.shape.has(Shape::TIMESTAMPS) {
            self.timestamps = self.sources().into_iter().map(inherited).collect();
            self.shape.0 |= Shape::TIMESTAMPS;
        }
        let timestamp = timestamp.unwrap_or_else(|| inherited(self.index));
        self.timestamps.push(timestamp);
    }

    pub(super) fn place_port(&mut self, port: u16) {
        if port != 0 && !self.shape.has(Shape::PORTS) {
            self.ports.resize(self.emitted, 0);
            self.shape.0 |= Shape::PORTS;
        }
        if self.shape.has(Shape::PORTS) {
            self.ports.push(port);
        }
    }
}
