// SPDX-License-Identifier: Apache-2.0
// Blobs, both ways.
// Source: OCI distribution-spec 1.1 "Pulling blobs", "Pushing blobs".
#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>

#include "registry/attempts.hpp"
#include "registry/client.hpp"
#include "registry/client_state.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/parallel.hpp"
#include "util/text.hpp"

namespace bottle::registry {
namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t milliseconds_since(Clock::time_point begun) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count());
}

void expect(const Session& session, std::uint64_t bytes) {
  if (Progress* progress = session.options().progress.get()) progress->expect(bytes);
}

void advance(const Session& session, std::uint64_t bytes) {
  if (Progress* progress = session.options().progress.get()) progress->advance(bytes);
}

bool is_whole(const store::Store& store, const oci::Descriptor& blob) {
  const auto path = store.find_blob(blob.digest);
  if (!path) return false;
  std::error_code error;
  if (fs::file_size(*path, error) == blob.size && !error) return true;
  store.drop_damaged_blob(blob.digest, "expected " + std::to_string(blob.size) + " bytes");
  return false;
}

// Where an upload continues. A Location elsewhere than at the registry would get what is meant for it.
std::string upload_location(const Endpoint& endpoint, const Response& response) {
  const auto location = response.headers.find("Location");
  const auto current = Url::parse(response.url);
  auto target = location && current ? current->resolve(*location) : std::nullopt;
  // Behind a proxy that does TLS for them, registries assume plain HTTP.
  if (target && target->scheme == "http" && endpoint.base.scheme == "https" &&
      target->host == endpoint.base.host) {
    target->scheme = endpoint.base.scheme;
    target->port = endpoint.base.port;
  }
  if (!target || !target->same_origin(endpoint.base))
    throw Error("expected a Location at " + endpoint.base.origin() + " for the upload, found \"" +
                    (location ? redacted(escape_word(location->substr(0, 200))) : "") + '"',
                {.where = redacted(response.url)});
  return target->string();
}

// Hands the bytes of a blob from `offset` on to the sink, as one place has them. Returns the redacted URL.
std::string download_at(const Session& session, const Place& place, const oci::Descriptor& blob,
                        std::uint64_t offset, const DownloadSink& sink) {
  const std::string url = Session::url(place.endpoint, place.repository, "blobs/" + blob.digest.string());
  const DownloadOptions options{
      .size = blob.size, .offset = offset, .immutable = true, .retry = !place.is_mirror};
  const Response response = session.download(
      place.endpoint, {place.repository, "pull", {}}, url,
      [&](std::span<const std::byte> data) {
        sink(data);
        advance(session, data.size());
      },
      options);
  if (response.status != 200 && response.status != 206)
    session.fail(place.endpoint, response,
                 "get a blob of " + place.endpoint.registry + "/" + place.repository);
  return redacted(url);
}

void check_digest(const oci::Descriptor& blob, const Digest& found, const std::string& where) {
  if (found != blob.digest)
    throw Error(
        "the blob does not match its digest: expected " + blob.digest.string() + ", found " + found.string(),
        {.where = where});
}

// One blob on its way to a registry.
class Upload {
 public:
  Upload(const Session& session, const oci::Reference& repository, const oci::Descriptor& blob,
         const BlobContent& content, const std::function<void()>& check, MountRefusals& mounts,
         PushedBlob& result)
      : session_(session),
        repository_(repository),
        place_(session.own_place(repository, Purpose::push)),
        scope_{place_.repository, "pull,push", {}},
        blob_(blob),
        content_(content),
        check_(check),
        mounts_(mounts),
        result_(result) {}

  // Asks for a place to upload to, or for the mount of `from`. False: the blob is there now.
  bool begin(const std::string& from) {
    Request request{.method = "POST",
                    .url = Session::url(place_.endpoint, place_.repository, "blobs/uploads/")};
    Scope scope = scope_;
    if (!from.empty()) {
      request.url += "?mount=" + blob_.digest.string() + "&from=" + from;
      scope.also_pull = from;
    }
    std::optional<Response> answered;
    try {
      answered = session_.request(place_.endpoint, scope, request);
    } catch (const Error&) {
      // A token service may give no token at all rather than one for the first scope alone.
      if (from.empty()) throw;
      mounts_.add(repository_.name(), from);
      return begin({});
    }
    const Response& response = *answered;
    if (response.status == 201 && !from.empty()) {
      result_.outcome = BlobOutcome::mounted;
      result_.mounted_from = from;
      return false;
    }
    // Mounting is a favour: whatever is wrong with it, uploading may still work.
    if (response.status != 202 && !from.empty()) {
      mounts_.add(repository_.name(), from);
      return begin({});
    }
    if (response.status != 202) session_.fail(place_.endpoint, response, "upload to " + repository_.name());
    location_ = upload_location(place_.endpoint, response);
    arrived_ = 0;
    minimum_chunk_ = 0;
    if (const auto text = response.headers.find("OCI-Chunk-Min-Length"))
      minimum_chunk_ = parse_unsigned(*text).value_or(0);
    return true;
  }

  void run() {
    if (content_.open) {
      file_ = content_.open();
      if (file_->size != blob_.size)
        throw Error("expected " + std::to_string(blob_.size) + " bytes, found " + std::to_string(file_->size),
                    {.where = file_->name});
    }
    expect(session_, blob_.size);
    Attempts attempts(session_.options().http.retry);
    bool chunks = session_.options().chunk_size > 0;
    for (;;) {
      const std::uint64_t before = arrived_;
      try {
        const Response response = chunks || arrived_ > 0 ? send_chunks() : send(arrived_, blob_.size, true);
        if (response.status == 201 || response.status == 204) return;
        const bool lost = response.status == 404 || response.status == 416;
        if (!(lost || is_worth_retrying(response.status)) || !attempts.again(retry_after(response.headers)))
          fail(response);
      } catch (const ConnectionError& error) {
        if (!attempts.again()) rethrow_counted(error, attempts.made());
      }
      find_out();
      if (arrived_ > before + (1u << 20)) attempts.progressed();
    }
  }

 private:
  // Sends the bytes up to `end`, as the upload's last request or as a chunk.
  Response send(std::uint64_t begin, std::uint64_t end, bool last) {
    Request request{.method = last ? "PUT" : "PATCH", .url = location_};
    request.headers = {"Content-Type: application/octet-stream"};
    if (last)
      request.url +=
          (request.url.find('?') == std::string::npos ? "?digest=" : "&digest=") + blob_.digest.string();
    else
      request.headers.push_back("Content-Range: " + std::to_string(begin) + "-" + std::to_string(end - 1));
    Body body;
    body.size = end - begin;
    body.on_progress = [this](std::uint64_t count) {
      if (check_) check_();
      result_.bytes_sent += count;
      advance(session_, count);
    };
    if (file_) {
      body.file = file_->file->get();
      body.offset = file_->offset + begin;
      body.name = file_->name;
    } else {
      body.bytes = content_.bytes.substr(begin, end - begin);
    }
    request.body = std::move(body);
    request.retry = false;
    return session_.request(place_.endpoint, scope_, request);
  }

  Response send_chunks() {
    const std::uint64_t size = session_.options().chunk_size > 0
                                   ? std::max(session_.options().chunk_size, minimum_chunk_)
                                   : blob_.size;
    while (arrived_ < blob_.size) {
      const std::uint64_t end = blob_.size - arrived_ > size ? arrived_ + size : blob_.size;
      Response response = send(arrived_, end, false);
      if (response.status < 200 || response.status > 299) return response;
      location_ = upload_location(place_.endpoint, response);
      take_range(response, end);
    }
    return send(blob_.size, blob_.size, true);
  }

  void take_range(const Response& response, std::uint64_t sent) {
    const auto range = response.headers.find("Range");
    const auto arrived = range ? parse_upload_range(*range) : std::nullopt;
    if ((range && !arrived) || arrived.value_or(0) > sent)
      throw Error("the registry reports \"" + escape_word(range->substr(0, 100)) + "\" received of " +
                      std::to_string(sent) + " bytes sent",
                  {.where = redacted(response.url)});
    // "0-0" is what both no byte and one byte look like.
    if (sent == 1 && arrived == 0)
      arrived_ = 1;
    else
      arrived_ = arrived.value_or(sent);
  }

  // After a failure: how much has arrived, or a new beginning.
  void find_out() {
    Request request{.url = location_};
    const Response response = session_.request(place_.endpoint, scope_, request);
    if (response.status == 204 || response.status == 200 || response.status == 202) {
      const auto range = response.headers.find("Range");
      const auto arrived = range ? parse_upload_range(*range) : std::nullopt;
      if (arrived && *arrived > 0 && *arrived <= blob_.size) {
        if (response.headers.find("Location")) location_ = upload_location(place_.endpoint, response);
        arrived_ = *arrived;
        return;
      }
    }
    begin({});
  }

  [[noreturn]] void fail(const Response& response) const {
    session_.fail(place_.endpoint, response,
                  "upload " + blob_.digest.string() + " (" + std::to_string(blob_.size) + " bytes)");
  }

  const Session& session_;
  const oci::Reference& repository_;
  Place place_;
  Scope scope_;
  const oci::Descriptor& blob_;
  const BlobContent& content_;
  const std::function<void()>& check_;
  MountRefusals& mounts_;
  PushedBlob& result_;
  std::optional<oci::FileRange> file_;
  std::string location_;
  std::uint64_t arrived_ = 0;
  std::uint64_t minimum_chunk_ = 0;
};

}  // namespace

const char* to_string(BlobOutcome outcome) {
  switch (outcome) {
    case BlobOutcome::present:
      return "present";
    case BlobOutcome::mounted:
      return "mounted";
    case BlobOutcome::uploaded:
      return "uploaded";
  }
  return "";
}

void for_each_blob(std::size_t count, std::size_t threads,
                   const std::function<void(std::size_t, const std::function<void()>& check)>& work) {
  std::mutex mutex;
  std::exception_ptr first;
  std::atomic<bool> failed = false;
  const std::function<void()> check = [&] {
    if (failed) throw Error("another transfer failed");
  };
  const auto guarded = [&](std::size_t i) {
    try {
      check();
      work(i, check);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
      failed = true;
      throw;
    }
  };
  try {
    parallel_for(count, threads, guarded);
  } catch (...) {
    // Who stopped because of another may have come in before it.
    if (first) std::rethrow_exception(first);
    throw;
  }
}

bool Client::has_blob(const oci::Reference& repository, const Digest& digest) const {
  const Session& session = state_->session;
  const Place place = session.own_place(repository, Purpose::push);
  const Endpoint& endpoint = place.endpoint;
  const Request request{.method = "HEAD",
                        .url = Session::url(endpoint, place.repository, "blobs/" + digest.string())};
  const Response response = session.request(endpoint, {place.repository, "pull", {}}, request);
  if (response.status == 404) return false;
  if (response.status != 200) session.fail(endpoint, response, "look for a blob of " + repository.name());
  return true;
}

void Client::read_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                       const DownloadSink& sink) const {
  const Session& session = state_->session;
  Sha256 hasher;
  std::uint64_t received = 0;
  expect(session, blob.size);
  // The sink gets each byte once: what one place began, the next one continues.
  first_answer(session.places(repository, Purpose::pull), [&](const Place& place) -> std::optional<bool> {
    download_at(session, place, blob, received, [&](std::span<const std::byte> data) {
      hasher.update(data);
      sink(data);
      received += data.size();
    });
    return true;
  });
  check_digest(blob, hasher.finish(), repository.name() + "@" + blob.digest.string());
}

std::string Client::read_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                              std::uint64_t limit) const {
  if (blob.size > limit)
    throw Error("the blob has " + std::to_string(blob.size) + " bytes, more than the limit of " +
                    std::to_string(limit) + " bytes",
                {.where = repository.name() + "@" + blob.digest.string()});
  const Session& session = state_->session;
  expect(session, blob.size);
  return *first_answer(session.places(repository, Purpose::pull), [&](const Place& place) {
    std::optional<std::string> text(std::in_place);
    text->reserve(static_cast<std::size_t>(blob.size));
    const std::string where = download_at(session, place, blob, 0, [&](std::span<const std::byte> data) {
      text->append(reinterpret_cast<const char*>(data.data()), data.size());
    });
    check_digest(blob, sha256(*text), where);
    return text;
  });
}

void Client::get_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                      const store::Store& store, const std::function<void()>& check) const {
  if (is_whole(store, blob)) return;
  const Session& session = state_->session;
  store::Store::Partial partial(store, blob.digest);
  if (partial.size() > blob.size) partial.restart();
  expect(session, blob.size - partial.size());
  first_answer(session.places(repository, Purpose::pull), [&](const Place& place) -> std::optional<bool> {
    for (;;) {
      const std::uint64_t before = partial.size();
      const std::string where =
          download_at(session, place, blob, before, [&](std::span<const std::byte> data) {
            if (check) check();
            partial.write(data);
          });
      try {
        partial.commit();
        return true;
      } catch (const Error& error) {
        // What an earlier attempt had left may be what is wrong.
        if (before == 0) throw Error(error.message(), {.where = where, .hint = error.hint()});
      }
    }
  });
}

void Client::get_blobs(const oci::Reference& repository, const std::vector<oci::Descriptor>& blobs,
                       const store::Store& store) const {
  std::vector<oci::Descriptor> wanted;
  for (const oci::Descriptor& blob : blobs)
    if (std::none_of(wanted.begin(), wanted.end(),
                     [&](const auto& other) { return other.digest == blob.digest; }))
      wanted.push_back(blob);
  // The largest first: nothing waits for one that began last.
  std::stable_sort(wanted.begin(), wanted.end(),
                   [](const auto& a, const auto& b) { return a.size > b.size; });
  for_each_blob(wanted.size(), options().threads, [&](std::size_t i, const std::function<void()>& check) {
    get_blob(repository, wanted[i], store, check);
  });
}

PushedBlob Client::put_blob(const oci::Reference& repository, const oci::Descriptor& blob,
                            const BlobContent& content, const std::string& mount_from,
                            const std::function<void()>& check) const {
  const auto begun = Clock::now();
  PushedBlob result;
  result.descriptor = blob;
  if (!has_blob(repository, blob.digest)) {
    MountRefusals& refusals = state_->mount_refusals;
    const bool mounts =
        mount_from != repository.repository && !refusals.contains(repository.name(), mount_from);
    Upload upload(state_->session, repository, blob, content, check, refusals, result);
    if (upload.begin(mounts ? mount_from : "")) {
      upload.run();
      result.outcome = BlobOutcome::uploaded;
    }
  }
  result.milliseconds = milliseconds_since(begun);
  return result;
}

const ClientOptions& Client::options() const {
  return state_->session.options();
}

}  // namespace bottle::registry
