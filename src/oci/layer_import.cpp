// SPDX-License-Identifier: Apache-2.0
#include "oci/layer_import.hpp"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/decompress.hpp"
#include "oci/tar_reader.hpp"
#include "util/environment.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/text.hpp"

namespace bottle::oci {
namespace {

// Counts and hashes what passes, and stops before more than the descriptor promises has been read.
class CheckedBlob {
 public:
  CheckedBlob(const Source& source, const std::string& name, const LayerImportOptions& options)
      : source_(source), name_(name), options_(options) {}

  std::size_t read(std::span<std::byte> data) {
    is_whole_ = false;
    const std::size_t count = source_(data);
    is_whole_ = true;
    hasher_.update(data.first(count));
    size_ += count;
    if (options_.size && size_ > *options_.size) fail_size(std::to_string(size_) + " or more");
    return count;
  }

  // Whether all that the source gave has been counted: not after it failed, on its way to the store for
  // example.
  bool is_whole() const { return is_whole_; }

  void drain() {
    std::vector<std::byte> buffer(64u << 10);
    while (read(buffer) == buffer.size())
      check_interrupted();
  }

  // After the end of the source.
  void check(ImportedLayer& result) {
    if (options_.size && size_ != *options_.size) fail_size(std::to_string(size_));
    result.digest = hasher_.finish();
    result.size = size_;
    if (options_.digest && result.digest != *options_.digest)
      throw Error("the content of the blob does not match its digest: expected " + options_.digest->string() +
                      ", found " + result.digest.string(),
                  {.where = name_, .hint = "fetch the image again: it is damaged or was altered"});
  }

 private:
  [[noreturn]] void fail_size(const std::string& found) const {
    throw Error(
        "the blob has the wrong size: expected " + std::to_string(*options_.size) + " bytes, found " + found,
        {.where = name_, .hint = "fetch the image again: it is damaged or was altered"});
  }

  const Source& source_;
  const std::string& name_;
  const LayerImportOptions& options_;
  Sha256 hasher_;
  std::uint64_t size_ = 0;
  bool is_whole_ = true;
};

class TarImport {
 public:
  TarImport(const std::string& name, const LayerImportOptions& options) : name_(name), options_(options) {}

  // The first root is the layer's own tar.
  LayerIndex read(TarReader& tar) {
    LayerIndex index;
    index.roots.emplace_back();
    while (auto member = tar.next()) {
      check_interrupted();
      if (member->ignored) continue;
      Entry& entry = member->entry;
      if (entry.type == EntryType::file) {
        if (member->is_sparse && entry.size > 0) {
          keep_sparse(tar, entry, index);
        } else {
          entry.digest = tar.hash_data();
          if (entry.size > 0) entry.place = {.root = 0, .offset = member->data_offset, .path = {}};
        }
      }
      index.entries.push_back(std::move(entry));
    }
    tar.drain();
    return index;
  }

 private:
  void keep_sparse(TarReader& tar, Entry& entry, LayerIndex& index) {
    if (!options_.keep)
      throw Error("\"" + escape_word(entry.path) + "\" is a sparse file, which is not supported here",
                  {.where = name_});
    if (entry.size > options_.maximum_uncompressed - sparse_)
      throw Error("the sparse files of the layer expand to more than " +
                      std::to_string(options_.maximum_uncompressed) + " bytes",
                  {.where = name_});
    sparse_ += entry.size;
    entry.digest = options_.keep([&](const Sink& sink) { tar.read_data(sink); });
    entry.place = {.root = index.root("blob:" + entry.digest.string()), .offset = 0, .path = {}};
  }

  const std::string& name_;
  const LayerImportOptions& options_;
  std::uint64_t sparse_ = 0;  // bytes of sparse files
};

}  // namespace

ImportedLayer import_layer(const Source& blob, const std::string& name, const LayerImportOptions& options,
                           const Sink& uncompressed) {
  ImportedLayer result;
  CheckedBlob checked(blob, name, options);
  Sha256 diff_hasher;
  try {
    const std::uint64_t maximum = options.size ? maximum_inflated(*options.size, options.maximum_uncompressed,
                                                                  options.maximum_ratio, options.ratio_from)
                                               : options.maximum_uncompressed;
    Decompressor decompressor([&](std::span<std::byte> data) { return checked.read(data); }, name, maximum);
    TarReader tar(
        [&](std::span<std::byte> data) {
          const std::size_t count = decompressor.read(data);
          diff_hasher.update(data.first(count));
          if (uncompressed) uncompressed(data.first(count));
          result.uncompressed_size += count;
          return count;
        },
        name, Whiteouts::interpret);
    result.index = TarImport(name, options).read(tar);
  } catch (const Error&) {
    // If the blob is not the promised one, that is the cause to report.
    const std::exception_ptr cause = std::current_exception();
    if (!checked.is_whole()) throw;
    checked.drain();
    checked.check(result);
    std::rethrow_exception(cause);
  }
  checked.check(result);
  result.diff_id = diff_hasher.finish();
  if (options.diff_id && result.diff_id != *options.diff_id)
    throw Error("the uncompressed layer does not match the image configuration: expected diff ID " +
                    options.diff_id->string() + ", found " + result.diff_id.string(),
                {.where = name, .hint = "fetch the image again: it is damaged or was altered"});
  result.index.roots[0] = "blob:" + result.diff_id.string();
  return result;
}

}  // namespace bottle::oci
