//! What ffmpeg does for us: repackage, package, generate. Never needed to play the clip as it is.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Media made for one run, so that no cache anywhere has seen it.
#[derive(Clone, Copy, Debug)]
pub struct Generated {
    /// Length, seconds.
    pub seconds: u32,
    /// Video bit rate of each rendition, kbit/s, lowest first; constant, filled up if need be.
    pub kbps: &'static [u32],
}

impl Generated {
    /// One rendition of 1 Mbit/s.
    pub const ONE: &'static [u32] = &[1_000];
    /// Three renditions up to 1 Mbit/s.
    pub const THREE: &'static [u32] = &[300, 600, 1_000];
}

const SEGMENTS: [&str; 8] = [
    "-f",
    "hls",
    "-hls_time",
    "2",
    "-hls_list_size",
    "0",
    "-hls_playlist_type",
    "vod",
];

const SOUND: &str = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"sound\",DEFAULT=YES,\
                     AUTOSELECT=YES,URI=\"sound.m3u8\"\n";

/// Puts the clip into fragmented MP4, with the sound inside each rendition or in one of its own;
/// nothing is encoded.
pub(super) fn repackage(clip: &Path, folder: &Path, separate_sound: bool) -> Result<()> {
    let mut command = ffmpeg();
    for rendition in ["low", "middle", "high"] {
        command.arg("-i").arg(clip.join(format!("{rendition}.ts")));
    }
    let map = if separate_sound {
        command.args(["-map", "0:a", "-map", "0:v", "-map", "1:v", "-map", "2:v"]);
        "a:0,name:sound v:0,name:low v:1,name:middle v:2,name:high"
    } else {
        command.args(["-map", "0", "-map", "1", "-map", "2"]);
        "v:0,a:0,name:low v:1,a:1,name:middle v:2,a:2,name:high"
    };
    command
        .args(["-c", "copy", "-bsf:a", "aac_adtstoasc"])
        .args(SEGMENTS)
        .args(["-hls_segment_type", "fmp4"]);
    command.args(["-hls_fmp4_init_filename", "%v-init.mp4"]);
    write(command, folder, map, "m4s")?;
    // ffmpeg cannot tell bit rates and codecs of what it only copies; the clip's playlist can.
    let master = std::fs::read_to_string(clip.join("master.m3u8"))?;
    std::fs::write(folder.join("master.m3u8"), grouped(&master, separate_sound))?;
    Ok(())
}

/// The clip's master playlist, where each rendition refers to the separate sound if there is one.
fn grouped(master: &str, separate_sound: bool) -> String {
    if !separate_sound {
        return master.to_owned();
    }
    let renditions = master.replace("#EXT-X-STREAM-INF:", "#EXT-X-STREAM-INF:AUDIO=\"sound\",");
    renditions.replacen("#EXTM3U\n", &format!("#EXTM3U\n{SOUND}"), 1)
}

/// Encodes a movie in two renditions, MPEG-TS.
///
/// # Errors
/// When ffmpeg is missing or cannot read the movie.
pub fn package(movie: &Path, folder: &Path) -> Result<()> {
    let mut command = ffmpeg();
    command.arg("-stats").arg("-i").arg(movie);
    command.args([
        "-filter_complex",
        "[0:v]split=2[a][b];[a]scale=-2:360[low];[b]scale=-2:720[high]",
    ]);
    command.args([
        "-map", "[low]", "-map", "0:a:0?", "-map", "[high]", "-map", "0:a:0?",
    ]);
    command.args([
        "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
    ]);
    command.args([
        "-force_key_frames",
        "expr:gte(t,n_forced*2)",
        "-sc_threshold",
        "0",
    ]);
    command.args([
        "-b:v:0",
        "800k",
        "-maxrate:v:0",
        "900k",
        "-bufsize:v:0",
        "1600k",
    ]);
    command.args([
        "-b:v:1",
        "2500k",
        "-maxrate:v:1",
        "2800k",
        "-bufsize:v:1",
        "5000k",
    ]);
    command
        .args(["-c:a", "aac", "-b:a", "128k", "-ac", "2"])
        .args(SEGMENTS);
    let map = if has_sound(movie) {
        "v:0,a:0,name:low v:1,a:1,name:high"
    } else {
        "v:0,name:low v:1,name:high"
    };
    write(command, folder, map, "ts").with_context(|| format!("cannot package {}", movie.display()))
}

/// Makes media that nobody has seen: a moving pattern under noise, a tone, 2 s segments.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub fn generate(media: Generated, folder: &Path) -> Result<()> {
    let seconds = media.seconds;
    let mut command = ffmpeg();
    command.args([
        "-f",
        "lavfi",
        "-i",
        &format!("testsrc2=size=640x360:rate=25:duration={seconds},noise=alls=12:allf=t"),
    ]);
    command.args([
        "-f",
        "lavfi",
        "-i",
        &format!("sine=frequency=440:sample_rate=44100:duration={seconds}"),
    ]);
    let mut map = Vec::new();
    for (index, kbps) in media.kbps.iter().enumerate() {
        command.args(["-map", "0:v", "-map", "1:a"]);
        for option in ["b", "minrate", "maxrate", "bufsize"] {
            command.args([format!("-{option}:v:{index}"), format!("{kbps}k")]);
        }
        map.push(format!("v:{index},a:{index},name:r{index}"));
    }
    command.args([
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
    ]);
    command.args([
        "-g",
        "50",
        "-keyint_min",
        "50",
        "-sc_threshold",
        "0",
        "-x264-params",
        "nal-hrd=cbr:force-cfr=1",
    ]);
    command
        .args(["-c:a", "aac", "-b:a", "32k", "-ac", "1"])
        .args(SEGMENTS);
    write(command, folder, &map.join(" "), "ts")
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    command
}

fn has_sound(movie: &Path) -> bool {
    let mut probe = Command::new("ffprobe");
    probe.args([
        "-v",
        "error",
        "-select_streams",
        "a",
        "-show_entries",
        "stream=index",
        "-of",
        "csv=p=0",
    ]);
    probe
        .arg(movie)
        .output()
        .is_ok_and(|found| !found.stdout.is_empty())
}

/// Runs ffmpeg with its output in `folder`.
fn write(mut command: Command, folder: &Path, map: &str, ending: &str) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    command.args(["-master_pl_name", "master.m3u8", "-var_stream_map", map]);
    command.args(["-hls_flags", "independent_segments"]);
    command.args([
        "-hls_segment_filename",
        &format!("%v-%03d.{ending}"),
        "%v.m3u8",
    ]);
    let status = command
        .current_dir(folder)
        .status()
        .context("cannot start ffmpeg")?;
    if !status.success() {
        bail!("ffmpeg failed: {command:?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Generated, generate};
    use crate::media::{Shape, prepare};

    #[test]
    fn generated_segments_differ_and_keep_their_bit_rate() {
        let folder = tempfile::tempdir().unwrap();
        let media = Generated {
            seconds: 8,
            kbps: Generated::THREE,
        };
        generate(media, folder.path()).unwrap();
        let mut distinct = BTreeSet::new();
        for (index, kbps) in media.kbps.iter().enumerate() {
            for segment in 0..4 {
                let name = format!("r{index}-{segment:03}.ts");
                let bytes = std::fs::read(folder.path().join(&name)).unwrap();
                let found = bytes.len() as f64 * 8.0 / 2_000.0;
                // Sound and container come on top.
                let above = found - f64::from(*kbps);
                assert!((30.0..150.0).contains(&above), "{name}: {found} kbit/s");
                distinct.insert(bytes);
            }
        }
        assert_eq!(distinct.len(), 12);
    }

    #[test]
    fn the_clip_comes_in_fragmented_mp4_with_and_without_its_own_sound() {
        for (shape, playlists) in [(Shape::Fmp4, 3), (Shape::SeparateAudio, 4)] {
            let folder = tempfile::tempdir().unwrap();
            prepare(shape, folder.path()).unwrap();
            let master = std::fs::read_to_string(folder.path().join("master.m3u8")).unwrap();
            let found = ["low.m3u8", "middle.m3u8", "high.m3u8", "sound.m3u8"]
                .iter()
                .filter(|name| master.contains(**name));
            assert_eq!(found.count(), playlists, "{shape:?}:\n{master}");
            let low = std::fs::read_to_string(folder.path().join("low.m3u8")).unwrap();
            assert_eq!(low.matches("#EXTINF:2.0").count(), 18, "{shape:?}:\n{low}");
            assert!(low.contains("#EXT-X-MAP:"), "{low}");
            let streams = folder.path().join("low-000.m4s").metadata().unwrap().len();
            assert!(streams > 10_000, "{shape:?}: {streams} bytes");
        }
    }
}
