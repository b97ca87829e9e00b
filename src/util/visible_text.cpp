// SPDX-License-Identifier: Apache-2.0
#include "util/visible_text.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <new>
#include <span>
#include <streambuf>

namespace bottle {
namespace {

struct Character {
  std::size_t size = 0;  // 0: not a character of UTF-8
  std::uint32_t code = 0;
  bool is_cut = false;  // the text ends before the character does
};

// The character that the text begins with. The shortest form only, no surrogates, nothing above U+10FFFF.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {1, first};
  std::size_t size = 0;
  std::uint32_t code = 0;
  unsigned low = 0x80;
  unsigned high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
    code = first & 0x1f;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    code = first & 0x0f;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    code = first & 0x07;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return {};
  }
  for (std::size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {.size = 0, .code = 0, .is_cut = true};
    if (byte(i) < low || byte(i) > high) return {};
    code = code << 6 | (byte(i) & 0x3fu);
    low = 0x80;
    high = 0xbf;
  }
  return {size, code};
}

struct Range {
  std::uint32_t first, last;
};

constexpr Range kHidden[] = {
    {0x80, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},     {0x115f, 0x1160},
    {0x17b4, 0x17b5},   {0x180e, 0x180e},   {0x200b, 0x200b},   {0x200e, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x206f},   {0x3164, 0x3164},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe00ff}, {0xe01f0, 0xe0fff},
};
// Joiners and variation selectors, which alter the characters beside them.
constexpr Range kModifiers[] = {{0x180b, 0x180f}, {0x200c, 0x200d}, {0xfe00, 0xfe0f}, {0xe0100, 0xe01ef}};

bool is_in(std::span<const Range> ranges, std::uint32_t code) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& range) { return code >= range.first && code <= range.last; });
}

// `before` is the character before it.
bool is_hidden(std::uint32_t code, std::uint32_t before) {
  return code >= 0x80 && (is_in(kHidden, code) || (before < 0x80 && is_in(kModifiers, code)));
}

void show(std::string& out, char kind, std::uint32_t value, int digits) {
  constexpr const char* kDigits = "0123456789abcdef";
  out += '\\';
  out += kind;
  while (digits-- > 0)
    out += kDigits[value >> (4 * digits) & 15];
}

// Without what `text` ends with that is only the beginning of a character.
std::string filter(std::string_view& text, std::uint32_t& last) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.is_cut) break;
    const auto byte = static_cast<unsigned char>(text.front());
    const bool hidden = is_hidden(next.code, last);
    if (next.size == 0 || (next.code < 0x20 && next.code != '\n' && next.code != '\t') || next.code == 0x7f)
      show(out, 'x', byte, 2);
    else if (hidden)
      show(out, next.code > 0xffff ? 'U' : 'u', next.code, next.code > 0xffff ? 8 : 4);
    else
      out += text.substr(0, next.size);
    // What is shown in ASCII has nothing to join.
    last = hidden || next.size == 0 ? 0 : is_in(kModifiers, next.code) ? last : next.code;
    text.remove_prefix(next.size == 0 ? 1 : next.size);
  }
  return out;
}

// A stream of stdio that writes to a descriptor through the filter.
struct Channel {
  explicit Channel(int target) : descriptor(target) {}

  bool write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = ::write(descriptor, text.data(), text.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  static ssize_t put(void* cookie, const char* data, std::size_t size) {
    auto& channel = *static_cast<Channel*>(cookie);
    try {
      return channel.write(channel.shown.add({data, size})) ? static_cast<ssize_t>(size) : 0;
    } catch (const std::bad_alloc&) {
      errno = ENOMEM;
      return 0;
    }
  }
  static int end(void* cookie) {
    auto& channel = *static_cast<Channel*>(cookie);
    return channel.write(channel.shown.finish()) ? 0 : EOF;
  }

  int descriptor;
  VisibleText shown;
};

// What the C++ streams write goes to stdio, in the same order.
class StdioBuffer : public std::streambuf {
 public:
  explicit StdioBuffer(FILE* file) : file_(file) {}

 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    return std::fputc(c, file_) == EOF ? traits_type::eof() : c;
  }
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    return static_cast<std::streamsize>(std::fwrite(data, 1, static_cast<std::size_t>(size), file_));
  }
  int sync() override { return std::fflush(file_) == 0 ? 0 : -1; }

 private:
  FILE* file_;
};

// One standard stream, replaced.
class Replaced {
 public:
  Replaced(FILE*& stream, std::ostream& output, int descriptor, int buffering)
      : stream_(stream), before_(stream), output_(output), channel_(descriptor) {
    FILE* file = ::fopencookie(
        &channel_, "w", {.read = nullptr, .write = Channel::put, .seek = nullptr, .close = Channel::end});
    if (file == nullptr) return;
    std::fflush(before_);
    std::setvbuf(file, nullptr, buffering, BUFSIZ);
    stream_ = file;
    buffer_ = std::make_unique<StdioBuffer>(file);
    buffer_before_ = output_.rdbuf(buffer_.get());
  }
  ~Replaced() {
    if (!buffer_) return;
    output_.flush();
    output_.rdbuf(buffer_before_);
    FILE* file = stream_;
    stream_ = before_;
    std::fclose(file);
  }
  Replaced(Replaced&&) = delete;

 private:
  FILE*& stream_;
  FILE* before_;
  std::ostream& output_;
  Channel channel_;
  std::unique_ptr<StdioBuffer> buffer_;
  std::streambuf* buffer_before_ = nullptr;
};

}  // namespace

std::string VisibleText::add(std::string_view text) {
  std::string joined;
  if (!rest_.empty()) {
    joined = rest_ + std::string(text);
    text = joined;
  }
  std::string out = filter(text, last_);
  rest_ = text;
  return out;
}

std::string VisibleText::finish() {
  std::string out;
  for (const char c : rest_)
    show(out, 'x', static_cast<unsigned char>(c), 2);
  rest_.clear();
  return out;
}

std::string visible(std::string_view text) {
  VisibleText all;
  std::string out = all.add(text);
  return out + all.finish();
}

// The GNU C library's standard streams are variables that a program may set ("Standard Streams" of its
// manual).
struct VisibleStreams::Impl {
  Replaced error{stderr, std::cerr, STDERR_FILENO, _IONBF};
  std::unique_ptr<Replaced> output =
      ::isatty(STDOUT_FILENO) != 0 ? std::make_unique<Replaced>(stdout, std::cout, STDOUT_FILENO, _IOLBF)
                                   : nullptr;
};

VisibleStreams::VisibleStreams() : impl_(std::make_unique<Impl>()) {}
VisibleStreams::~VisibleStreams() = default;

}  // namespace bottle
