#include "util/visible_text.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <new>
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

bool is_hidden(std::uint32_t code) {
  return (code >= 0x80 && code < 0xa0) || code == 0x061c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void show(std::string& out, char kind, std::uint32_t value, int digits) {
  constexpr const char* kDigits = "0123456789abcdef";
  out += '\\';
  out += kind;
  while (digits-- > 0)
    out += kDigits[value >> (4 * digits) & 15];
}

// Without what `text` ends with that is only the beginning of a character.
std::string filter(std::string_view& text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.is_cut) break;
    const auto byte = static_cast<unsigned char>(text.front());
    if (next.size == 0 || (next.code < 0x20 && next.code != '\n' && next.code != '\t') || next.code == 0x7f)
      show(out, 'x', byte, 2);
    else if (is_hidden(next.code))
      show(out, 'u', next.code, 4);
    else
      out += text.substr(0, next.size);
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
  std::string out = filter(text);
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
