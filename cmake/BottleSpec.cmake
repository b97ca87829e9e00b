# SPDX-License-Identifier: Apache-2.0
# The specification of a bottle: one JSON file for the tools, and two smaller files that are only dependencies.
include_guard(GLOBAL)

# _bottle_write_spec(<slug> <encoded lock> <runtime>): reads the variables of add_bottle(), its caller (ARG_* and CONTEXTS_*).
#
# The tools read spec.json. A change in it runs only the fingerprint, which is fast. The image depends on the key and on
# image.options.json, which has the places and the engine. The pack depends on the plan and on pack.options.json. So a changed
# memory size packs again and does not build, and a changed unused argument does neither. Properties of the target are read
# when CMake generates, so that they may be set after add_bottle().
function(_bottle_write_spec slug lock runtime)
  _bottle_directory(directory "${slug}" bottles)
  _bottle_absolute(context "${ARG_CONTEXT}" "${CMAKE_CURRENT_SOURCE_DIR}" ".")
  _bottle_decode(plain_context "${context}")
  if(ARG_DOCKERFILE)
    _bottle_absolute(dockerfile "${ARG_DOCKERFILE}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
  else()
    _bottle_absolute(dockerfile "" "${plain_context}" "Dockerfile")
  endif()
  _bottle_encode(build_tree "${CMAKE_BINARY_DIR}")
  _bottle_store(store "add_bottle(${slug})")
  set(excluded "${build_tree}")
  if(NOT store STREQUAL "")
    _bottle_encode(store "${store}")
    list(APPEND excluded "${store}")
  endif()
  _bottle_json_array(excluded ${excluded})
  _bottle_epoch(epoch "add_bottle(${slug})")
  _bottle_encode(runtime "${runtime}")
  foreach(name IN ITEMS dockerfile context store lock build_tree runtime)
    _bottle_json_string(${name} "${${name}}")
  endforeach()
  _bottle_json_string(target "${ARG_TARGET}")
  _bottle_json_object(build_args ${ARG_BUILD_ARGS})
  _bottle_json_array(env ${ARG_ENV})
  _bottle_secrets(secrets "${slug}" ${ARG_SECRETS})
  _bottle_json_array(engine_options ${ARG_ENGINE_OPTIONS})
  _bottle_json_string(shm_size "${ARG_SHM_SIZE}")
  _bottle_json_array(ulimits ${ARG_ULIMITS})
  _bottle_json_array(add_hosts ${ARG_ADD_HOSTS})
  _bottle_json_string(registry_image "${ARG_REGISTRY_IMAGE}")

  foreach(setting IN ITEMS ENGINE PACKER PLATFORM CPUS MEMORY NETWORK RUN_NETWORK RUN_ISOLATION GIT_MODES SMOLVM_VERSION LOCKED)
    string(TOLOWER "${setting}" name)
    _bottle_setting(${name} ${slug} ${setting})
  endforeach()
  _bottle_json_boolean(network "${network}")
  _bottle_json_boolean(git_modes "${git_modes}")
  _bottle_json_boolean(locked "${locked}")

  # Numbers are text here, so that the tools can report invalid values of generator expressions.
  set(pack "\"cpus\": \"${cpus}\", \"memory\": \"${memory}\", \"network\": ${network},\n    \"runtime\": ${runtime},\n    \"env\": ${env}")
  if(DEFINED ARG_USER)
    _bottle_decode(plain_user "${ARG_USER}")
    _bottle_check_user("add_bottle(${slug})" "${plain_user}")
    _bottle_json_string(user "${ARG_USER}")
    string(APPEND pack ",\n    \"user\": ${user}")
  endif()
  string(APPEND pack ",\n    \"smolvmVersion\": \"${smolvm_version}\"")
  foreach(command IN ITEMS ENTRYPOINT CMD)
    if(DEFINED ARG_${command})
      string(TOLOWER "${command}" name)
      _bottle_json_array(words ${ARG_${command}})
      string(APPEND pack ",\n    \"${name}\": ${words}")
    endif()
  endforeach()

  # The places, which are not part of the key. The image's rule depends on them too.
  set(places "\"context\": ${context},
  \"exclude\": ${excluded},
  \"contexts\": ${CONTEXTS_JSON},
  \"gitModes\": ${git_modes},
  \"engine\": \"${engine}\",
  \"engineOptions\": ${engine_options},
  \"store\": ${store}")
  set(packing "\"packer\": \"${packer}\",
  \"epoch\": ${epoch},
  \"registryImage\": ${registry_image},
  \"pack\": {
    ${pack}
  }")
  file(GENERATE OUTPUT "${directory}/spec.json" CONTENT "{
  \"schema\": 1,
  \"slug\": \"${slug}\",
  \"dockerfile\": ${dockerfile},
  \"target\": ${target},
  \"platform\": \"${platform}\",
  \"buildArgs\": ${build_args},
  \"runNetwork\": \"${run_network}\",
  \"isolation\": \"${run_isolation}\",
  \"shmSize\": ${shm_size},
  \"ulimits\": ${ulimits},
  \"addHosts\": ${add_hosts},
  \"secrets\": ${secrets},
  \"lock\": ${lock},
  \"locked\": ${locked},
  \"buildTree\": ${build_tree},
  ${places},
  ${packing}
}
")
  file(GENERATE OUTPUT "${directory}/image.options.json" CONTENT "{\n  ${places}\n}\n")
  file(GENERATE OUTPUT "${directory}/pack.options.json" CONTENT "{\n  \"store\": ${store},\n  ${packing}\n}\n")
endfunction()

# The value of a setting when CMake generates: the property with its generator expressions evaluated, or the default if that
# is empty.
function(_bottle_setting out slug setting)
  set(value "$<TARGET_GENEX_EVAL:bottle-${slug},$<TARGET_PROPERTY:bottle-${slug},BOTTLE_${setting}>>")
  _bottle_setting_default(default ${setting})
  if(NOT default STREQUAL "")
    set(value "$<IF:$<STREQUAL:${value},>,${default},${value}>")
  endif()
  set(${out} "${value}" PARENT_SCOPE)
endfunction()

# A JSON boolean for one of CMake's constants. Another value becomes text, which the tools refuse.
function(_bottle_json_boolean out value)
  set(upper "$<UPPER_CASE:${value}>")
  set(false_or_text "$<IF:$<IN_LIST:${upper},0;OFF;NO;FALSE;N>,false,\"${value}\">")
  set(${out} "$<IF:$<IN_LIST:${upper},1;ON;YES;TRUE;Y>,true,${false_or_text}>" PARENT_SCOPE)
endfunction()

# Makes an encoded path absolute: when CMake generates, if it begins with a generator expression. `otherwise` replaces an
# empty path.
function(_bottle_absolute out path base otherwise)
  if(path STREQUAL "")
    set(path "${otherwise}")
  endif()
  if(NOT path MATCHES "^\\$<")
    _bottle_decode(path "${path}")
    get_filename_component(path "${path}" ABSOLUTE BASE_DIR "${base}")
    _bottle_encode(path "${path}")
  elseif(NOT base MATCHES "[,>]")
    _bottle_encode(base "${base}")
    set(path "$<PATH:ABSOLUTE_PATH,NORMALIZE,${path},${base}>")
  endif()
  set(${out} "${path}" PARENT_SCOPE)
endfunction()

# The "secrets" array of the specification, of encoded "id=env:NAME" and "id=file:PATH".
function(_bottle_secrets out slug)
  set(json "")
  set(ids "")
  foreach(secret IN LISTS ARGN)
    if(secret MATCHES "^[^=]*\\$<" OR NOT secret MATCHES "^([^=]+)=(env|file):(.+)$")
      _bottle_decode(shown "${secret}")
      message(FATAL_ERROR "add_bottle(${slug}): SECRETS \"${shown}\" is not of the form id=env:NAME or id=file:PATH; do not write "
        "the value of a secret to a build script")
    endif()
    set(id "${CMAKE_MATCH_1}")
    set(kind "${CMAKE_MATCH_2}")
    set(value "${CMAKE_MATCH_3}")
    if(id IN_LIST ids)
      message(FATAL_ERROR "add_bottle(${slug}): two secrets have the id \"${id}\"")
    endif()
    list(APPEND ids "${id}")
    if(kind STREQUAL "file")
      _bottle_absolute(value "${value}" "${CMAKE_CURRENT_SOURCE_DIR}" "")
    endif()
    _bottle_json_string(id "${id}")
    _bottle_json_string(value "${value}")
    if(NOT json STREQUAL "")
      string(APPEND json ",")
    endif()
    string(APPEND json "\n    {\"id\": ${id}, \"kind\": \"${kind}\", \"value\": ${value}}")
  endforeach()
  set(${out} "[${json}]" PARENT_SCOPE)
endfunction()
