#include "ddsnap/cli/codec_option.h"

namespace ddsnap {

void CodecOption::declare(ArgumentParser& parser) {
  parser.number_option("-g,--gzip", 0, 9, zlib_level_,
                       "Compress with zlib at this level; 0: not at all");
  parser.text_option("--codec", "NAME[:LEVEL]", codec_, "zstd (default), zlib, lz4 or none");
  parser.exclude_each_other({{"--gzip", "--codec"}});
}

Result<CodecChoice> CodecOption::choice() const {
  if (!codec_.empty()) return parse_codec(codec_);
  if (zlib_level_ == 0) return CodecChoice{.codec = Codec::kNone, .level = 0};
  if (zlib_level_ > 0) return CodecChoice{.codec = Codec::kZlib, .level = zlib_level_};
  return CodecChoice{};
}

}  // namespace ddsnap
