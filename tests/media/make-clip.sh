#!/usr/bin/env bash
# Makes tests/media/clip again: 36 s, three renditions, MPEG-TS, one file per rendition with a
# byte-range playlist. Run it only to change the clip; the result is in the repository.
# Needs ffmpeg with libx264, and fonts-dejavu-core for the burnt-in timecode.
#
# What makes skips visible and audible: a frame-exact timecode, a band that names the rendition,
# and a tone that climbs one step a second through a scale of eight (whole hertz, so that a
# change of tone makes no click of its own).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
rm -rf clip && mkdir clip

seconds=36
font=/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf
timecode="drawtext=fontfile=$font:timecode='00\:00\:00\:00':rate=25:fontsize=h/7:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=8:x=(w-tw)/2:y=h*0.62"
name() { echo "drawtext=fontfile=$font:text='$1':fontsize=h/14:fontcolor=white:box=1:boxcolor=$2@0.8:boxborderw=6:x=(w-tw)/2:y=h*0.83"; }
tone="aevalsrc=exprs='0.15*sin(2*PI*t*(round(330*pow(2\,mod(floor(t)\,8)/8))))':s=44100:d=$seconds"

ffmpeg -hide_banner -loglevel warning -y \
  -f lavfi -i "testsrc2=size=640x360:rate=25:duration=$seconds" \
  -f lavfi -i "$tone" \
  -filter_complex "[0:v]split=3[a][b][c]; \
    [a]scale=256:144,$timecode,$(name low red)[low]; \
    [b]scale=426:240,$timecode,$(name middle blue)[middle]; \
    [c]$timecode,$(name high green)[high]" \
  -map '[low]' -map 1:a -map '[middle]' -map 1:a -map '[high]' -map 1:a \
  -c:v libx264 -profile:v main -preset veryslow -pix_fmt yuv420p \
  -g 50 -keyint_min 50 -sc_threshold 0 -bf 2 \
  -b:v:0 85k  -maxrate:v:0 100k -bufsize:v:0 170k \
  -b:v:1 185k -maxrate:v:1 215k -bufsize:v:1 370k \
  -b:v:2 415k -maxrate:v:2 480k -bufsize:v:2 830k \
  -c:a aac -b:a 24k -ac 1 -ar 44100 \
  -f hls -hls_time 2 -hls_playlist_type vod -hls_list_size 0 \
  -hls_flags single_file+independent_segments -hls_segment_type mpegts \
  -hls_segment_filename 'clip/%v.ts' -master_pl_name master.m3u8 \
  -var_stream_map 'v:0,a:0,name:low v:1,a:1,name:middle v:2,a:2,name:high' \
  'clip/%v.m3u8'

# ffmpeg declares what it was asked for, without the container: declare the largest segment.
for rendition in low middle high; do
  peak=$(sed -n 's/^#EXT-X-BYTERANGE:\([0-9]*\)@.*/\1/p' "clip/$rendition.m3u8" | sort -n | tail -1)
  sed -i -e "N;s/BANDWIDTH=[0-9]*\(.*\n$rendition\.m3u8\)/BANDWIDTH=$((peak * 8 / 2))\1/;P;D" clip/master.m3u8
done

du -b --total clip/* | tail -1
