#include "compressed.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <stdexcept>

namespace bottle::oci::testing {

std::string gzip(std::string_view data) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("deflate");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view data, int window_log) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  if (window_log != 0) ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log);
  // In a stream of unknown length the frame keeps the whole window.
  std::string out(ZSTD_compressBound(data.size()) + 64, '\0');
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  ZSTD_inBuffer none{nullptr, 0, 0};
  ZSTD_inBuffer from{data.data(), data.size(), 0};
  ZSTD_compressStream2(context.get(), &to, &none, ZSTD_e_continue);
  ZSTD_compressStream2(context.get(), &to, &from, ZSTD_e_continue);
  if (ZSTD_compressStream2(context.get(), &to, &none, ZSTD_e_end) != 0) throw std::runtime_error("zstd");
  out.resize(to.pos);
  return out;
}

std::string archive_filter(std::string_view data, const char* filter) {
  const std::unique_ptr<struct archive, decltype(&archive_write_free)> archive(archive_write_new(),
                                                                               archive_write_free);
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                            archive_entry_free);
  std::string out(data.size() + (1u << 16), '\0');
  std::size_t used = 0;
  archive_write_add_filter_by_name(archive.get(), filter);
  archive_write_set_format_raw(archive.get());
  archive_write_open_memory(archive.get(), out.data(), out.size(), &used);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_pathname(entry.get(), "data");
  archive_write_header(archive.get(), entry.get());
  archive_write_data(archive.get(), data.data(), data.size());
  if (archive_write_close(archive.get()) != ARCHIVE_OK) throw std::runtime_error("libarchive");
  out.resize(used);
  return out;
}

}  // namespace bottle::oci::testing
