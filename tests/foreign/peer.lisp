;;; What a Common Lisp program does with objects: the tasks create, modify and verify of peer.c, by
;;; the same C functions as the library posix-shm/ffi.

(require :asdf)
(asdf:load-system :cffi)

(cffi:defcfun ("shm_open" shm-open) :int (name :string) (flags :int) (mode :unsigned-int))
(cffi:defcfun ("shm_unlink" shm-unlink) :int (name :string))
(cffi:defcfun ("ftruncate" c-ftruncate) :int (fd :int) (size :long))
(cffi:defcfun ("lseek" lseek) :long (fd :int) (offset :long) (whence :int))
(cffi:defcfun ("mmap" mmap) :pointer
  (address :pointer) (size :unsigned-long) (protection :int) (flags :int) (fd :int) (offset :long))
(cffi:defcfun ("munmap" munmap) :int (address :pointer) (size :unsigned-long))
(cffi:defcfun ("close" c-close) :int (fd :int))

;; The values of Linux; SBCL's own bindings have no others that are needed.
(defconstant +rdonly+ 0)
(defconstant +rdwr+ 2)
(defconstant +creat+ #o100)
(defconstant +excl+ #o200)
(defconstant +read+ 1)
(defconstant +write+ 2)
(defconstant +shared+ 1)
(defconstant +end+ 2)

(defun must (condition what)
  (unless condition
    (format *error-output* "peer.lisp: ~a~%" what)
    (sb-ext:exit :code 1 :abort t)))

(defun task (task name size)
  (let* ((creates (string= task "create"))
         (verifies (string= task "verify"))
         (fd (shm-open name
                       (cond (creates (logior +rdwr+ +creat+ +excl+)) (verifies +rdonly+) (t +rdwr+))
                       #o600)))
    (must (>= fd 0) "shm_open")
    (when creates (must (zerop (c-ftruncate fd size)) "ftruncate"))
    (must (= (lseek fd 0 +end+) size) "another length")
    (let ((ints (mmap (cffi:null-pointer) size (if verifies +read+ (logior +read+ +write+))
                      +shared+ fd 0)))
      (must (/= (cffi:pointer-address ints) (ldb (byte 64 0) -1)) "mmap")
      (dotimes (i (floor size 4))
        (symbol-macrolet ((int (cffi:mem-aref ints :int32 i)))
          (cond (creates (setf int (+ (* i 7) 1)))
                (verifies (must (= int (+ (* (+ (* i 7) 1) 2) i)) "another value"))
                (t (setf int (+ (* int 2) i))))))
      (must (zerop (munmap ints size)) "munmap")
      (must (zerop (c-close fd)) "close")
      (when verifies (must (zerop (shm-unlink name)) "shm_unlink")))))

(defun main ()
  (destructuring-bind (task name size) (rest sb-ext:*posix-argv*)
    (task task name (parse-integer size))
    (sb-ext:exit :code 0 :abort t)))
