//! What a page says about the segment that its player asks for.

use core::time::Duration;

use runnel_peer_core::{MediaKind, Want, WantId};
use runnel_protocol::ids::{ContentId, PathHash, TrackId};
use runnel_protocol::segment::{ByteRange, TrackAttributes};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// A plain object; `WantMessage` in `js/src/messages.ts` documents each field.
    pub type WantInit;

    #[wasm_bindgen(method, getter)]
    fn id(this: &WantInit) -> f64;
    #[wasm_bindgen(method, getter)]
    fn audio(this: &WantInit) -> bool;
    #[wasm_bindgen(method, getter)]
    fn sn(this: &WantInit) -> f64;
    #[wasm_bindgen(method, getter)]
    fn url(this: &WantInit) -> String;
    #[wasm_bindgen(method, getter, js_name = rangeStart)]
    fn range_start(this: &WantInit) -> f64;
    /// Exclusive; 0 where the segment is the whole resource.
    #[wasm_bindgen(method, getter, js_name = rangeEnd)]
    fn range_end(this: &WantInit) -> f64;
    /// Milliseconds.
    #[wasm_bindgen(method, getter, js_name = dueIn)]
    fn due_in(this: &WantInit) -> f64;
    /// Milliseconds.
    #[wasm_bindgen(method, getter)]
    fn duration(this: &WantInit) -> f64;
    #[wasm_bindgen(method, getter)]
    fn live(this: &WantInit) -> bool;
    #[wasm_bindgen(method, getter)]
    fn urgent(this: &WantInit) -> bool;
    /// Milliseconds.
    #[wasm_bindgen(method, getter, js_name = mayWait)]
    fn may_wait(this: &WantInit) -> f64;
    #[wasm_bindgen(method, getter)]
    fn track(this: &WantInit) -> TrackInit;
    /// Milliseconds; 0 where unknown.
    #[wasm_bindgen(method, getter, js_name = cdnTook)]
    pub(crate) fn cdn_took(this: &WantInit) -> f64;

    /// The attributes of a rendition, as they stand in the playlist.
    pub type TrackInit;

    /// `EXT-X-MEDIA`'s TYPE; empty for a variant.
    #[wasm_bindgen(method, getter)]
    fn media(this: &TrackInit) -> String;
    /// BANDWIDTH, or GROUP-ID.
    #[wasm_bindgen(method, getter)]
    fn first(this: &TrackInit) -> String;
    /// RESOLUTION, or NAME.
    #[wasm_bindgen(method, getter)]
    fn second(this: &TrackInit) -> String;
    /// CODECS, or LANGUAGE.
    #[wasm_bindgen(method, getter)]
    fn third(this: &TrackInit) -> String;
}

/// The want as the core takes it.
pub(crate) fn read(init: &WantInit, content: ContentId) -> Want {
    Want {
        id: WantId(whole(init.id())),
        content,
        track: track(&init.track()),
        kind: if init.audio() {
            MediaKind::Audio
        } else {
            MediaKind::Main
        },
        sequence: whole(init.sn()),
        range: range(init),
        path: PathHash::of_url(&init.url()),
        due_in: millis(init.due_in()),
        duration: millis(init.duration()),
        live: init.live(),
        urgent: init.urgent(),
        may_wait: millis(init.may_wait()),
    }
}

fn range(init: &WantInit) -> Option<ByteRange> {
    let (start, end) = (whole(init.range_start()), whole(init.range_end()));
    (end > start).then(|| ByteRange {
        offset: start,
        length: end - start,
    })
}

fn track(init: &TrackInit) -> TrackId {
    let (first, second, third) = (init.first(), init.second(), init.third());
    let media = init.media();
    if media.is_empty() {
        return TrackAttributes::Variant {
            bandwidth: &first,
            resolution: &second,
            codecs: &third,
        }
        .id();
    }
    TrackAttributes::Media {
        kind: &media,
        group: &first,
        name: &second,
        language: &third,
    }
    .id()
}

/// A JavaScript number as a count: negative, absent and absurd values become the nearest count.
pub(crate) fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and maps NaN to 0: what is wanted here"
    )]
    let count = number as u64;
    count
}

/// Milliseconds of a JavaScript number.
pub(crate) fn millis(number: f64) -> Duration {
    Duration::from_micros(whole(number * 1000.0))
}
