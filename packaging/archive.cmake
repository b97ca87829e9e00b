# SPDX-License-Identifier: Apache-2.0
# CPack's External generator: makes the archive of the staged files, with a CMakeLists.txt so that FetchContent can use it.
set(_file "${CPACK_PACKAGE_DIRECTORY}/${CPACK_PACKAGE_FILE_NAME}.tar.zst")
file(COPY "${CMAKE_CURRENT_LIST_DIR}/CMakeLists.txt" DESTINATION "${CPACK_TEMPORARY_DIRECTORY}")
execute_process(
  COMMAND "${CMAKE_CURRENT_LIST_DIR}/archive" "${CPACK_TEMPORARY_DIRECTORY}" "${BOTTLE_LAUNCHER}" "${CPACK_PACKAGE_FILE_NAME}" "${_file}"
  COMMAND_ERROR_IS_FATAL ANY)
set(CPACK_EXTERNAL_BUILT_PACKAGES "${_file}")
